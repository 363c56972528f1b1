// web/src/prints.ts: raw trades, the newest first, each with its conditions and what it counted for.
// Either live, or those of one bar.

import type { Answer } from './api';
import { byId, make, setText } from './dom';
import { formatDecimal } from './format';
import type { Zone } from './time';
import type { Effect, Nanoseconds, TradeRow, TradesAnswer } from './types';

// A person reads a few dozen; older ones are a bar's click away.
const kRowsMax = 120;
const kDrawMs = 100;

export interface PrintsWorld {
  fetch(series: string, start: Nanoseconds, end: Nanoseconds): Promise<Answer<TradesAnswer>>;
  after(delayMs: number, callback: () => void): void;
  /** Live trades are wanted of that series, or of none. */
  watch(series: string | null): void;
}

export class Prints {
  private readonly root_ = byId('prints');
  private readonly scroll_ = byId('prints-scroll');
  private readonly title_ = byId('prints-title');
  private readonly note_ = byId('prints-note');
  private readonly body_ = byId('prints-body');
  private readonly live_ = byId<HTMLButtonElement>('prints-live');
  private series_: string | null = null;
  private zone_: Zone | null = null;
  private places_ = 2;
  /** Newest first. */
  private rows_: TradeRow[] = [];
  private bar_: { start: Nanoseconds; name: string } | null = null;
  private scheduled_ = false;
  private offered_ = false;

  constructor(private readonly world_: PrintsWorld) {
    this.live_.addEventListener('click', () => {
      this.live();
      this.scroll_.focus();
    });
    // Whoever scrolled down reads; at the top again, it goes on.
    this.scroll_.addEventListener('scroll', () => this.schedule());
  }

  offer(offered: boolean): void {
    this.offered_ = offered;
    this.root_.hidden = !offered;
  }

  setStyle(zone: Zone, places: number): void {
    if (this.zone_ === zone && this.places_ === places) return;
    this.zone_ = zone;
    this.places_ = places;
    this.schedule();
  }

  /** The live trades of `series` from now on. */
  watch(series: string): void {
    if (!this.offered_ || series === this.series_) return;
    this.series_ = series;
    this.live();
  }

  /** What the live connection brings. */
  take(rows: readonly TradeRow[], whole: boolean): void {
    if (this.bar_) return;
    const newest = rows.slice(-kRowsMax).reverse();
    this.rows_ = whole ? newest : [...newest, ...this.rows_].slice(0, kRowsMax);
    this.schedule();
  }

  /** The trades of one bar, in place of the live ones. */
  async showBar(name: string, start: Nanoseconds, end: Nanoseconds): Promise<void> {
    const series = this.series_;
    if (!this.offered_ || series === null) return;
    this.bar_ = { start, name };
    this.world_.watch(null);
    this.rows_ = [];
    this.live_.hidden = false;
    setText(this.title_, `Trades of ${name}`);
    setText(this.note_, 'loading…');
    this.scroll_.scrollTop = 0;
    this.schedule();
    const answer = await this.world_.fetch(series, start, end);
    if (this.bar_?.start !== start || this.series_ !== series) return;
    if (answer.ok) {
      this.rows_ = answer.value.trades;
      setText(this.note_, countText(answer.value));
    } else setText(this.note_, answer.failure.message);
    this.schedule();
  }

  private live(): void {
    this.bar_ = null;
    this.rows_ = [];
    this.live_.hidden = true;
    setText(this.title_, 'Trades');
    setText(this.note_, '');
    this.world_.watch(this.series_);
    this.scroll_.scrollTop = 0;
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled_) return;
    this.scheduled_ = true;
    this.world_.after(kDrawMs, () => {
      this.scheduled_ = false;
      this.draw();
    });
  }

  private draw(): void {
    const zone = this.zone_;
    if (!zone || this.root_.hidden) return;
    const reading = !this.bar_ && this.scroll_.scrollTop > 4;
    if (!this.bar_) setText(this.note_, reading ? 'held while you read' : '');
    if (reading) return;
    while (this.body_.children.length > this.rows_.length) this.body_.lastElementChild!.remove();
    while (this.body_.children.length < this.rows_.length) this.body_.append(printRow());
    this.rows_.forEach((trade, index) => {
      const row = this.body_.children[index] as HTMLElement;
      const texts = printTexts(trade, zone, this.places_);
      const counted = countedText(trade.updates);
      row.dataset.counted = trade.eligible ? 'all' : trade.updates.length > 0 ? 'part' : 'none';
      row.dataset.side = trade.side;
      texts.forEach((text, at) => setText(row.children[at]!.lastElementChild ?? row.children[at]!, text));
      (row.children[3] as HTMLElement).title = texts[3]!;
      (row.children[4] as HTMLElement).title = `Counted: ${counted}`;
    });
  }
}

function printRow(): HTMLElement {
  const row = make('tr');
  const counted = make('td', 'print-counted');
  counted.append(make('span', 'sr-only'));
  row.append(make('td'), make('td'), make('td'), make('td', 'print-conditions'), counted);
  return row;
}

/** Time, price, size, conditions, what it counted for. */
export function printTexts(trade: TradeRow, zone: Zone, places: number): string[] {
  const ns = BigInt(trade.ts_event);
  const ms = String((ns / 1_000_000n) % 1000n).padStart(3, '0');
  return [
    `${zone.clock(Number(ns / 1_000_000_000n), true)}.${ms}`,
    formatDecimal(trade.price, { minPlaces: places }),
    formatDecimal(trade.size),
    // That a trade is like most others is not worth a word.
    trade.conditions.filter((name) => name !== 'Regular').join(', '),
    countedText(trade.updates),
  ];
}

const kEffects: Record<Effect, string> = {
  open_close: 'open/close',
  high_low: 'high/low',
  volume: 'volume',
};

/** "yes", "volume only", "high/low, volume", "no" */
export function countedText(updates: readonly Effect[]): string {
  if (updates.length === 0) return 'no';
  if (updates.length === Object.keys(kEffects).length) return 'yes';
  const words = updates.map((effect) => kEffects[effect] ?? effect);
  return words.length === 1 ? `${words[0]} only` : words.join(', ');
}

function countText({ trades, limited }: TradesAnswer): string {
  const left = trades.filter(({ updates }) => updates.length < 3).length;
  const count = `${limited ? 'newest ' : ''}${trades.length}`;
  return left > 0 ? `${count}, ${left} counted in part or not` : count;
}
