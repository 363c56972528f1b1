// web/src/empty_times.ts: the times without a bar between those that are shown, and why, as the API
// tells it.

import type { Answer, BarRange } from './api';
import { intervalSeconds, secondsOf, type Zone } from './time';
import type { BarQuery, EmptyAnswer, EmptyReason } from './types';

/** Neighbouring intervals without a bar, for one reason; in whole seconds. */
export interface EmptyTime {
  time: number;
  end: number;
  reason: EmptyReason;
}

type Fetch = (query: BarQuery, range: BarRange) => Promise<Answer<EmptyAnswer>>;

/** In words. What the API does not know is not guessed here. */
export function emptySentence({ reason }: EmptyTime, session: BarQuery['session']): string {
  switch (reason) {
    case 'closed':
      return session === 'regular' ? 'outside regular hours' : 'the market is closed';
    case 'no_trade':
      return 'no trade, and the feed was connected';
    case 'not_connected':
      return 'the feed was not connected';
    case 'provisional':
      return 'no trade so far, and the time is not over';
    case 'dropped':
      return 'bars so short are no longer kept';
    default:
      return 'no trade recorded; whether the feed was connected is not known';
  }
}

/** "10:31 to 10:34 EDT", with the dates where they differ. */
export function emptyWhen({ time, end }: EmptyTime, zone: Zone, withSeconds: boolean): string {
  const sameDay = zone.date(time) === zone.date(end);
  const at = (t: number): string => `${sameDay ? '' : `${zone.day(t)} `}${zone.clock(t, withSeconds)}`;
  return `${at(time)} to ${at(end)} ${zone.abbreviation(time)}`;
}

export class EmptyTimes {
  private query_: BarQuery | null = null;
  private range_: BarRange = {};
  private times_: EmptyTime[] = [];
  /** Up to there what is known can change no more; and for which bars it was asked last. */
  private knownTo_ = -Infinity;
  private askedFor_ = -Infinity;
  private busy_ = false;

  constructor(
    private readonly fetch_: Fetch,
    private readonly changed_: (times: readonly EmptyTime[]) => void,
  ) {}

  /** Null: the program cannot be asked. */
  watch(query: BarQuery | null, range: BarRange): void {
    const same = JSON.stringify([query, range]) === JSON.stringify([this.query_, this.range_]);
    if (same) return;
    this.query_ = query;
    this.range_ = range;
    this.forget();
  }

  forget(): void {
    this.knownTo_ = this.askedFor_ = -Infinity;
    if (this.times_.length === 0) return;
    this.times_ = [];
    this.changed_(this.times_);
  }

  /** The times of the bars that are shown, ascending; asks where there are holes in between. */
  async cover(times: readonly number[]): Promise<void> {
    const query = this.query_;
    const last = times[times.length - 1];
    if (!query || this.busy_ || last === undefined || last === this.askedFor_) return;
    const step = intervalSeconds(query.interval);
    const hasHole = times.some(
      (time, at) => at > 0 && time > this.knownTo_ && time - times[at - 1]! > step,
    );
    if (!hasHole) return;
    this.busy_ = true;
    const range = this.range_;
    const from = Math.max(this.knownTo_, times[0]!);
    const answer = await this.fetch_(query, {
      ...range,
      start: `${from}000000000`,
      end: `${last}000000000`,
    });
    this.busy_ = false;
    if (query !== this.query_ || range !== this.range_ || !answer.ok) return;
    const found = answer.value.empty.map(({ start, end, reason }) => ({
      time: secondsOf(start),
      end: secondsOf(end),
      reason,
    }));
    this.times_ = [...this.times_.filter(({ time }) => time < from), ...found];
    this.askedFor_ = last;
    const open = found.find(({ reason }) => reason === 'provisional');
    this.knownTo_ = open?.time ?? last;
    this.changed_(this.times_);
  }
}
