// web/src/legend.ts: the values of one bar, every digit of them.

import type { BarBook, Entry } from './bars';
import { byId, make, setText } from './dom';
import { emptySentence, emptyWhen, type EmptyTime } from './empty_times';
import {
  formatCount,
  formatDecimal,
  parseDecimal,
  percentChange,
  ratio,
  type Decimal,
} from './format';
import type { StudyLine, StudyName } from './studies';
import { secondsOf, type Zone } from './time';
import type { Bar, BarQuery, DecimalText } from './types';

export interface BarText {
  name: string;
  /** What stands in the legend, where room is scarce. */
  short?: string;
  value: string;
  /** Said of the whole bar: in the making, or corrected. */
  badge?: string;
  direction?: 'up' | 'down';
}

export interface BarStyle {
  zone: Zone;
  withSeconds: boolean;
  /** Places that prices are padded to. */
  places: number;
  /** Bars of more than a day stand beside each other. */
  withDate?: boolean;
}

// A volume-weighted price is rounded half to even, to this many places.
const kVwapPlaces = 4;

export function vwapText(notional: Decimal | null, volume: Decimal | null): string {
  const vwap = notional && volume ? ratio(notional, volume, kVwapPlaces) : null;
  return vwap ? formatDecimal(vwap, { minPlaces: kVwapPlaces }) : '–';
}

/** "revised 2×: late, known 10:31:05", as far as the API tells. */
export function revisionText(bar: Bar, zone: Zone): string {
  const why = bar.reason ?? '';
  const known = bar.ts_known && bar.reason ? `known ${zone.clock(secondsOf(bar.ts_known), true)}` : '';
  const more = [why, known].filter(Boolean).join(', ');
  return `revised ${bar.revision}×${more && `: ${more}`}`;
}

/** Why a bar has no prices, or is not all that came. */
function emptyText(bar: Bar): string {
  const late = bar.unapplied ? `${formatCount(bar.unapplied)} too late to count` : '';
  if (bar.open !== null) return late;
  const left = bar.excluded > 0 ? `all ${formatCount(bar.excluded)} left out by condition` : '';
  return ['no price', left, late].filter(Boolean).join(', ');
}

export function barTexts(entry: Entry, style: BarStyle): BarText[] {
  const { time, bar } = entry;
  const { zone, withSeconds, places, withDate } = style;

  const price = (text: string | null): string =>
    text === null ? '–' : formatDecimal(text, { minPlaces: places });
  const from = parseDecimal(bar.open ?? '');
  const to = parseDecimal(bar.close ?? '');
  const percent = from && to ? percentChange(from, to) : null;
  const change: BarText = {
    name: 'Change',
    value: percent ? `${formatDecimal(percent, { signed: true, minPlaces: 2 })}%` : '–',
  };
  if (percent && percent.mantissa !== 0n) change.direction = percent.mantissa > 0n ? 'up' : 'down';
  const when: BarText = {
    name: 'Time',
    value: [
      withDate ? `${zone.day(time)} ` : '',
      `${zone.clock(time, withSeconds)} ${zone.abbreviation(time)}`,
    ].join(''),
  };
  if (!bar.final) when.badge = 'live';
  else if (bar.revision > 0) when.badge = revisionText(bar, zone);
  const why = emptyText(bar);
  if (why) when.badge = [when.badge, why].filter(Boolean).join(', ');
  return [
    when,
    { name: 'Open', short: 'O', value: price(bar.open) },
    { name: 'High', short: 'H', value: price(bar.high) },
    { name: 'Low', short: 'L', value: price(bar.low) },
    { name: 'Close', short: 'C', value: price(bar.close) },
    change,
    { name: 'Volume', short: 'Vol', value: formatDecimal(bar.volume) },
    { name: 'VWAP', value: vwapText(parseDecimal(bar.notional), parseDecimal(bar.volume)) },
    { name: 'Trades', value: formatCount(bar.trades) },
    { name: 'Left out', value: formatCount(bar.excluded) },
  ];
}

/** Of a time without a bar. */
export function emptyTexts(
  empty: EmptyTime,
  style: BarStyle,
  session: BarQuery['session'],
): BarText[] {
  return [
    {
      name: 'Time',
      value: emptyWhen(empty, style.zone, style.withSeconds),
      badge: `no bar: ${emptySentence(empty, session)}`,
    },
  ];
}

/** The bar as one sentence. */
export function sentenceOf(texts: readonly BarText[]): string {
  return texts
    .map(({ name, value, badge }) => {
      const said = value === '–' ? 'none' : value;
      return `${name} ${said}${badge ? `, ${badge}` : ''}`;
    })
    .join(', ');
}

/** Rounded to that many places: a mean has more digits than a person reads. */
function shortened(text: DecimalText, places: number): Decimal | DecimalText {
  const value = parseDecimal(text);
  if (!value || value.scale <= places) return text;
  const rounded = ratio(value, { mantissa: 1n, scale: 0 }, places);
  return rounded ?? text;
}

export class Legend {
  private readonly root_ = byId('legend');
  private readonly studies_ = byId('legend-studies');
  private readonly items_ = new Map<StudyName, HTMLElement>();
  private lines_: readonly StudyLine[] = [];

  setStudies(lines: readonly StudyLine[]): void {
    this.lines_ = lines;
    this.studies_.hidden = lines.length === 0;
    this.items_.clear();
    this.studies_.replaceChildren();
    for (const line of lines) {
      // The outputs of one study stand together.
      let item = this.items_.get(line.study);
      if (!item) {
        item = make('div', 'legend-item');
        item.append(make('dt', '', line.studyTitle));
        this.items_.set(line.study, item);
        this.studies_.append(item);
      }
      const value = make('dd');
      value.title = line.title;
      if (line.drawn === 'line')
        value.append(make('span', `study-key study-key-${line.tone} study-key-${line.dash}`));
      value.append(make('span'));
      item.append(value);
    }
  }

  /** `texts`: none where there is nothing to say. */
  show(
    texts: readonly BarText[],
    style: BarStyle,
    valueOf: (key: string) => DecimalText | null = () => null,
  ): void {
    const values = this.studies_.querySelectorAll('dd');
    this.lines_.forEach(({ key, pane }, index) => {
      const text = valueOf(key);
      const places = pane === 'price' ? style.places : 2;
      const value = text === null ? '–' : formatDecimal(shortened(text, places + 2));
      setText(values[index]!.lastElementChild!, value);
    });
    // What is below stays where it is when there is less to say for a moment.
    const isShort = texts.length === 1;
    if (isShort !== (this.root_.style.minHeight !== '')) {
      this.root_.style.minHeight = isShort ? `${this.root_.offsetHeight}px` : '';
    }
    if (this.root_.children.length !== texts.length) {
      this.root_.replaceChildren(...texts.map(legendItem));
    }
    texts.forEach(({ value, badge, direction }, index) => {
      const item = this.root_.children[index]!;
      const [text, badgeSpan] = item.querySelectorAll<HTMLElement>('dd > span');
      setText(text!, value);
      text!.dataset.direction = direction ?? '';
      setText(badgeSpan!, badge ?? '');
      badgeSpan!.hidden = !badge;
      badgeSpan!.dataset.kind = badge?.startsWith('live') ? 'live' : badge?.startsWith('no bar') ? 'empty' : 'revised';
    });
  }
}

function legendItem({ name, short }: BarText): HTMLElement {
  const item = make('div', 'legend-item');
  const term = make('dt', name === 'Time' || name === 'Change' ? 'sr-only' : '', short ? '' : name);
  if (short) {
    const seen = make('span', '', short);
    seen.setAttribute('aria-hidden', 'true');
    term.append(seen, make('span', 'sr-only', name));
  }
  const value = make('dd');
  value.append(make('span'), make('span', 'badge'));
  item.append(term, value);
  return item;
}

const kRowsMax = 60;

/** The newest bars as a table, for whoever would rather read than look at a picture. */
export class NumbersTable {
  private readonly details_ = byId<HTMLDetailsElement>('numbers');
  private readonly head_ = byId('numbers-head');
  private readonly body_ = byId('numbers-body');

  constructor(onOpen: () => void) {
    this.details_.addEventListener('toggle', onOpen);
  }

  /** Costs nothing while the table is folded. */
  show(book: BarBook, style: BarStyle): void {
    if (!this.details_.open) return;
    const rows = book
      .entries()
      .slice(-kRowsMax)
      .reverse()
      .map((entry) => barTexts(entry, style));
    const head = make('tr');
    for (const { name } of rows[0] ?? []) {
      const cell = make('th', '', name);
      cell.scope = 'col';
      head.append(cell);
    }
    this.head_.replaceChildren(head);
    this.body_.replaceChildren(
      ...rows.map((texts) => {
        const row = make('tr');
        row.append(
          ...texts.map(({ value, badge }) => make('td', '', badge ? `${value} ${badge}` : value)),
        );
        return row;
      }),
    );
  }
}
