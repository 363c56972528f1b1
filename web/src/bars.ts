// web/src/bars.ts: the bars of one query, ascending by ts_open, each the newest value received.

import { axisPlaces } from './format';
import { secondsOf } from './time';
import type { Bar, DecimalText } from './types';

export interface Entry {
  /** ts_open in whole seconds; unique, since no interval is shorter than a second. */
  time: number;
  bar: Bar;
}

export interface BarChange {
  /** Ascending. */
  changed: Entry[];
  /** True when a bar was put between two that were there before, or the oldest ones went. */
  inserted: boolean;
}

/** An indicator at a bar, by the API's name of its column; null while it warms up. */
export function studyAt(bar: Bar, key: string): DecimalText | null {
  // A column has a name that no field of a bar has.
  return (bar as unknown as Record<string, DecimalText | null | undefined>)[key] ?? null;
}

const kPlacesSample = 500;

export class BarBook {
  private entries_: Entry[] = [];
  // Made when asked for; null: not made since the last change.
  private times_: number[] | null = null;
  private revised_: number[] | null = null;

  /** Of more than twice `barsMax` only the newest `barsMax` stay. */
  constructor(private readonly barsMax_ = Infinity) {}

  entries(): readonly Entry[] {
    return this.entries_;
  }

  /** Places that prices are written with, so that they stand under each other. */
  places(): number {
    const newest = this.entries_.slice(-kPlacesSample);
    return axisPlaces(newest.flatMap(({ bar }) => (bar.close === null ? [] : [bar.close])));
  }

  /** The times of all bars, ascending. */
  times(): readonly number[] {
    this.times_ ??= this.entries_.map(({ time }) => time);
    return this.times_;
  }

  /** The times of bars that were corrected after they were final. */
  revised(): readonly number[] {
    this.revised_ ??= this.entries_.flatMap(({ time, bar }) => (bar.revision > 0 ? time : []));
    return this.revised_;
  }

  last(): Entry | undefined {
    return this.entries_[this.entries_.length - 1];
  }

  /** The close of the bar at `index`, or of the nearest one before it that has one. */
  closeAt(index: number): DecimalText | null {
    for (let at = Math.min(index, this.entries_.length - 1); at >= 0; --at) {
      const close = this.entries_[at]!.bar.close;
      if (close !== null) return close;
    }
    return null;
  }

  /** The close of the bar at that time, or of the nearest one before it that has one. */
  closeBefore(time: number): DecimalText | null {
    const at = this.position(time);
    return this.closeAt(this.entries_[at]?.time === time ? at : at - 1);
  }

  find(time: number): Entry | undefined {
    const at = this.position(time);
    const entry = this.entries_[at];
    return entry?.time === time ? entry : undefined;
  }

  /** Drops every bar and takes these. */
  reset(bars: readonly Bar[]): void {
    this.entries_ = [];
    this.times_ = this.revised_ = null;
    this.apply(bars);
  }

  /** Each bar replaces the one with the same ts_open, or takes its place in time. */
  apply(bars: readonly Bar[]): BarChange {
    const changed = new Map<number, Entry>();
    let inserted = false;
    for (const bar of bars) {
      const entry = { time: secondsOf(bar.ts_open), bar };
      const at = this.position(entry.time);
      const replaces = this.entries_[at]?.time === entry.time;
      if (!replaces && at < this.entries_.length) inserted = true;
      if (!replaces) this.times_ = null;
      if (bar.revision > 0) this.revised_ = null;
      this.entries_.splice(at, replaces ? 1 : 0, entry);
      changed.set(entry.time, entry);
    }
    if (this.entries_.length > 2 * this.barsMax_) {
      this.entries_.splice(0, this.entries_.length - this.barsMax_);
      this.times_ = this.revised_ = null;
      inserted = true;
    }
    return { changed: [...changed.values()].sort((a, b) => a.time - b.time), inserted };
  }

  /** Index of the first entry not before `time`. */
  private position(time: number): number {
    let low = 0;
    let high = this.entries_.length;
    const last = this.last();
    if (last && last.time < time) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries_[middle]!.time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
