// web/src/watch.ts: the list of instruments. Native radio buttons, so arrow keys choose.

import { byId, make, setText } from './dom';
import { formatDecimal } from './format';
import type { Quote } from './quotes';
import type { Instrument } from './types';

interface Row {
  input: HTMLInputElement;
  label: HTMLElement;
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
    this.root_.replaceChildren(...instruments.map((instrument) => this.row(instrument)));
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

  setQuote(series: string, quote: Quote | null): void {
    const row = this.rows_.get(series);
    if (!row) return;
    setText(row.last, quote ? formatDecimal(quote.last, { minPlaces: quote.places }) : '–');
    setText(row.change, withArrow(percentText(quote), quote));
    row.label.dataset.direction = directionOf(quote);
    row.line.setAttribute('d', quote ? this.path(quote.closes) : '');
  }

  private row({ series, instrument, venue, channel }: Instrument): HTMLElement {
    const label = make('label', 'watch-row');
    label.title = `${venue} ${channel}`;
    const input = make('input', 'sr-only');
    input.type = 'radio';
    input.name = 'series';
    input.value = series;
    input.addEventListener('change', () => this.onChoose_(series));
    const name = make('span', 'watch-name');
    name.append(make('b', '', instrument), make('span', 'watch-venue', `${venue} ${channel}`));
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
    this.rows_.set(series, { input, label, last, change, line });
    return label;
  }

  private path(closes: [number, number][]): string {
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

/** +0.32% */
function percentText(quote: Quote | null): string {
  if (!quote?.percent) return '';
  return `${formatDecimal(quote.percent, { signed: true, minPlaces: 2 })}%`;
}

/** ▲ before what rose and ▼ before what fell: colour is not all that tells them apart. */
function withArrow(text: string, quote: Quote | null): string {
  const arrow = kArrows[directionOf(quote)];
  return arrow && text ? `${arrow} ${text}` : text;
}

/** ▲ +0.54 (+0.32%) */
export function changeText(quote: Quote | null): string {
  if (!quote) return '';
  const percent = percentText(quote);
  const change = formatDecimal(quote.change, { signed: true, minPlaces: quote.places });
  return withArrow(percent ? `${change} (${percent})` : change, quote);
}

export function directionOf(quote: Quote | null): 'up' | 'down' | 'flat' {
  const change = quote?.change.mantissa ?? 0n;
  return change > 0n ? 'up' : change < 0n ? 'down' : 'flat';
}
