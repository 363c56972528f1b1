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

const kLineWidth = 72;
const kLineHeight = 24;
const kSvg = 'http://www.w3.org/2000/svg';

export class Watch {
  private readonly root_ = byId('watch');
  private readonly empty_ = byId('watch-empty');
  private readonly rows_ = new Map<string, Row>();
  private range_: [number, number] = [0, 1];

  constructor(private readonly onChoose_: (series: string) => void) {}

  setInstruments(instruments: readonly Instrument[]): void {
    this.rows_.clear();
    this.root_.replaceChildren(...instruments.map((instrument) => this.row(instrument)));
    this.empty_.hidden = instruments.length > 0;
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
    setText(row.change, percentText(quote));
    row.label.dataset.direction = directionOf(quote);
    row.line.setAttribute('d', quote ? this.path(quote.closes) : '');
  }

  private row({ series, instrument, venue, channel }: Instrument): HTMLElement {
    const label = make('label', 'watch-row');
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

/** +0.32% */
function percentText(quote: Quote | null): string {
  if (!quote?.percent) return '';
  return `${formatDecimal(quote.percent, { signed: true, minPlaces: 2 })}%`;
}

/** +0.54 (+0.32%) */
export function changeText(quote: Quote | null): string {
  if (!quote) return '';
  const percent = percentText(quote);
  const change = formatDecimal(quote.change, { signed: true, minPlaces: quote.places });
  return percent ? `${change} (${percent})` : change;
}

export function directionOf(quote: Quote | null): 'up' | 'down' | 'flat' {
  const change = quote?.change.mantissa ?? 0n;
  return change > 0n ? 'up' : change < 0n ? 'down' : 'flat';
}
