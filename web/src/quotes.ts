// web/src/quotes.ts: the day so far of each instrument, from its bars.

import type { Answer, BarRange } from './api';
import { add, axisPlaces, compare, parseDecimal, type Decimal } from './format';
import { secondsOf } from './time';
import type { Bar, BarQuery, BarsAnswer, Offset } from './types';

export interface Quote {
  /** The first open of what is loaded; last is the last close. */
  open: Decimal;
  high: Decimal;
  low: Decimal;
  last: Decimal;
  volume: Decimal;
  notional: Decimal;
  trades: number;
  excluded: number;
  /** Places that its prices are written with. */
  places: number;
  /** [seconds, close] per bar with a price, for the small line. */
  closes: [number, number][];
}

const kZero: Decimal = { mantissa: 0n, scale: 0 };

/** The merge of `bars`, ascending; exact. Null while no bar has all its prices. */
export function quoteOf(bars: readonly Bar[]): Quote | null {
  const decimals = (key: 'open' | 'high' | 'low' | 'close' | 'volume' | 'notional'): Decimal[] =>
    bars.flatMap((bar) => parseDecimal(bar[key] ?? '') ?? []);
  const [opens, closes] = [decimals('open'), decimals('close')];
  const [open, last] = [opens[0], closes[closes.length - 1]];
  if (!open || !last) return null;
  const count = (key: 'trades' | 'excluded'): number =>
    bars.reduce((sum, bar) => sum + bar[key], 0);
  return {
    open,
    high: decimals('high').reduce((best, one) => (compare(one, best) > 0 ? one : best), last),
    low: decimals('low').reduce((best, one) => (compare(one, best) < 0 ? one : best), last),
    last,
    volume: decimals('volume').reduce(add, kZero),
    notional: decimals('notional').reduce(add, kZero),
    trades: count('trades'),
    excluded: count('excluded'),
    places: axisPlaces(bars.flatMap(({ close }) => close ?? [])),
    closes: bars.flatMap((bar): [number, number][] =>
      bar.close === null ? [] : [[secondsOf(bar.ts_open), Number(bar.close)]],
    ),
  };
}

type Fetch = (query: BarQuery, range: BarRange) => Promise<Answer<BarsAnswer>>;

const kPerRound = 8;

/** Asks for the quotes of many series in turn, a bounded number in each round. */
export class QuoteRounds {
  private series_: string[] = [];
  private next_ = 0;
  private busy_ = false;
  private readonly asked_ = new Map<string, string>();

  constructor(
    private readonly fetch_: Fetch,
    private readonly onQuote_: (series: string, quote: Quote | null) => void,
  ) {}

  setSeries(series: readonly string[]): void {
    this.series_ = [...series];
    this.next_ = 0;
    this.asked_.clear();
  }

  /** One round. A series of which nothing can have changed since its last answer is left out. */
  async round(
    which: Pick<BarQuery, 'interval' | 'conditions' | 'session'>,
    range: BarRange,
    run: number,
    durable: Offset,
  ): Promise<void> {
    if (this.busy_) return;
    this.busy_ = true;
    const state = JSON.stringify([run, durable, which, range]);
    for (let count = Math.min(kPerRound, this.series_.length); count > 0; --count) {
      const series = this.series_[this.next_ % this.series_.length];
      this.next_ = (this.next_ + 1) % Math.max(this.series_.length, 1);
      if (series === undefined || this.asked_.get(series) === state) continue;
      const answer = await this.fetch_({ series, ...which }, range);
      if (!answer.ok) continue;
      this.asked_.set(series, state);
      this.onQuote_(series, quoteOf(answer.value.bars));
    }
    this.busy_ = false;
  }
}
