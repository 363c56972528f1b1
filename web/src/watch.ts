// web/src/watch.ts: the list of instruments. Native radio buttons, so arrow keys choose.

import { byId, make, setText } from './dom';
import { formatDecimal, parseDecimal, ratio } from './format';
import type { Basis, DecimalText, Instrument, LastRow } from './types';

interface Row {
  input: HTMLInputElement;
  label: HTMLElement;
  title: string;
  last: HTMLElement;
  change: HTMLElement;
  line: SVGPathElement;
}

// A list as long as this is searched rather than looked through.
const kSearchFrom = 12;
const kLineWidth = 72;
const kLineHeight = 24;
const kSvg = 'http://www.w3.org/2000/svg';

export class Watch {
  private readonly root_ = byId('watch');
  private readonly empty_ = byId('watch-empty');
  private readonly rows_ = new Map<string, Row>();
  private readonly search_ = byId('watch-search');
  private readonly find_ = byId<HTMLInputElement>('watch-find');
  private range_: [number, number] = [0, 1];

  constructor(private readonly onChoose_: (series: string) => void) {
    this.find_.addEventListener('input', () => this.filter());
    // Into the list with what is left of it.
    this.find_.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown' && event.key !== 'Enter') return;
      event.preventDefault();
      const rows = [...this.rows_.values()].filter(({ label }) => !label.hidden);
      (rows.find(({ input }) => input.checked) ?? rows[0])?.input.focus();
    });
  }

  setInstruments(instruments: readonly Instrument[]): void {
    this.rows_.clear();
    this.root_.replaceChildren(...instruments.map((instrument) => this.row(instrument, instruments)));
    this.search_.hidden = instruments.length < kSearchFrom;
    this.filter();
  }

  private filter(): void {
    const wanted = this.search_.hidden ? '' : this.find_.value.trim().toLowerCase();
    let left = 0;
    for (const [series, { label, input }] of this.rows_) {
      const fits = series.toLowerCase().includes(wanted);
      label.hidden = !fits;
      input.disabled = !fits; // the arrow keys pass it by
      if (fits) left += 1;
    }
    this.empty_.hidden = left > 0;
    setText(this.empty_, wanted ? 'No instrument of that name.' : 'No instrument yet.');
  }

  /** The time that the small lines span: they fill as the tape plays. */
  setRange(start: number, end: number): void {
    this.range_ = [start, Math.max(end, start + 1)];
  }

  select(series: string): void {
    const row = this.rows_.get(series);
    if (row) row.input.checked = true;
  }

  setLast(last: LastRow): void {
    const row = this.rows_.get(last.series);
    if (!row) return;
    setText(row.last, priceText(last.price));
    setText(row.change, withArrow(percentText(last), last));
    row.label.dataset.direction = directionOf(last);
    row.label.title = [row.title, basisText(last)].filter(Boolean).join(', ');
  }

  /** The day's closes as a small line. */
  setLine(series: string, closes: readonly [number, number][]): void {
    const row = this.rows_.get(series);
    if (row) row.line.setAttribute('d', closes.length > 1 ? this.path(closes) : '');
  }

  setBasis(text: string): void {
    setText(byId('watch-basis'), text);
  }

  private row(
    { series, instrument, venue, channel }: Instrument,
    instruments: readonly Instrument[],
  ): HTMLElement {
    const label = make('label', 'watch-row');
    const title = `${venue} ${channel}`;
    label.title = title;
    const input = make('input', 'sr-only');
    input.type = 'radio';
    input.name = 'series';
    input.value = series;
    input.addEventListener('change', () => this.onChoose_(series));
    const name = make('span', 'watch-name');
    name.append(make('b', '', instrument));
    // Said where there are two of that name; the title always says it.
    const { length } = instruments.filter((other) => other.instrument === instrument);
    if (length > 1) name.append(make('span', 'watch-venue', `${venue} ${channel}`));
    const numbers = make('span', 'watch-numbers');
    const last = make('span', 'watch-last', '–');
    const change = make('span', 'watch-change');
    numbers.append(last, change);
    const svg = document.createElementNS(kSvg, 'svg');
    svg.setAttribute('class', 'watch-line');
    svg.setAttribute('viewBox', `0 0 ${kLineWidth} ${kLineHeight}`);
    svg.setAttribute('aria-hidden', 'true');
    const line = document.createElementNS(kSvg, 'path');
    svg.append(line);
    label.append(input, name, svg, numbers);
    this.rows_.set(series, { input, label, title, last, change, line });
    return label;
  }

  private path(closes: readonly [number, number][]): string {
    const prices = closes.map(([, close]) => close);
    const low = Math.min(...prices);
    const height = Math.max(...prices) - low || 1;
    // What was loaded before the play began counts too.
    const start = Math.min(this.range_[0], closes[0]?.[0] ?? Infinity);
    const end = this.range_[1];
    return closes
      .map(([time, close], index) => {
        const x = ((time - start) / (end - start)) * (kLineWidth - 2) + 1;
        const y = kLineHeight - 2 - ((close - low) / height) * (kLineHeight - 4);
        return `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
      })
      .join('');
  }
}

const kArrows = { up: '▲', down: '▼', flat: '' } as const;

export function directionOf(last: LastRow | null): 'up' | 'down' | 'flat' {
  const change = parseDecimal(last?.change ?? '')?.mantissa ?? 0n;
  return change > 0n ? 'up' : change < 0n ? 'down' : 'flat';
}

export function priceText(price: DecimalText | null): string {
  return price === null ? '–' : formatDecimal(price, { minPlaces: 2 });
}

/** +0.32% */
function percentText({ change_percent: percent }: LastRow): string {
  if (percent === null) return '';
  const value = parseDecimal(percent);
  const rounded = value && ratio(value, { mantissa: 1n, scale: 0 }, 2);
  return rounded ? `${formatDecimal(rounded, { signed: true, minPlaces: 2 })}%` : '';
}

/** ▲ before what rose and ▼ before what fell: colour is not all that tells them apart. */
function withArrow(text: string, last: LastRow | null): string {
  const arrow = kArrows[directionOf(last)];
  return arrow && text ? `${arrow} ${text}` : text;
}

/** ▲ +0.54 (+0.32%) */
export function changeText(last: LastRow | null): string {
  if (!last || last.change === null) return '';
  const percent = percentText(last);
  const change = formatDecimal(last.change, { signed: true, minPlaces: 2 });
  return withArrow(percent ? `${change} (${percent})` : change, last);
}

const kBases: Record<Basis, string> = {
  previous_close: 'previous close',
  session_open: 'session open',
  first_price: 'first price',
};

/** "from previous close 167.92" */
export function basisText(last: LastRow | null): string {
  if (!last?.basis) return '';
  return `from ${kBases[last.basis]} ${priceText(last.basis_price)}`;
}

/** What the changes of a list are counted from, when it is the same for all. */
export function basisOfAll(rows: readonly LastRow[]): string {
  const bases = [...new Set(rows.flatMap(({ basis }) => basis ?? []))];
  if (bases.length === 0) return '';
  const words = bases.map((basis) => kBases[basis]).join(', or ');
  return `Change since ${words}.`;
}
