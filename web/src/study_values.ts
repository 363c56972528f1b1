// web/src/study_values.ts: the values of the chosen studies, as the API gives them. All at once
// when bars or studies were chosen, then the newest ones as bars change; never computed here.

import type { Answer, BarRange } from './api';
import type { StudyPoint } from './chart';
import type { StudyLine, StudyName } from './studies';
import type { BarQuery, DecimalText, Offset } from './types';

export interface StudyAnswer {
  /** Trades before it are counted. */
  offset: Offset;
  /** By StudyLine's key. */
  points: Map<string, StudyPoint[]>;
}

type Fetch = (
  query: BarQuery,
  names: readonly StudyName[],
  range: BarRange,
) => Promise<Answer<StudyAnswer>>;

export interface StudyEvents {
  all(key: string, points: readonly StudyPoint[]): void;
  newest(key: string, points: readonly StudyPoint[]): void;
  /** The API does not give them, and why. */
  refused(why: string): void;
}

/** The bars that the values belong to. */
export interface DrawnBars {
  /** Trades before it are counted in them; null where they are not live. */
  to(): Offset | null;
  /** How many there are from `time` on. */
  barsFrom(time: number): number;
}

const kPauseMs = 500;
// A late trade may correct the bar before the newest.
const kAgain = 2;

export class StudyValues {
  private query_: BarQuery | null = null;
  private range_: BarRange = {};
  private lines_: readonly StudyLine[] = [];
  private readonly texts_ = new Map<string, Map<number, DecimalText>>();
  private whole_ = false;
  /** Of the newest bar that has been answered for. */
  private knownTo_ = -Infinity;
  private busy_ = false;
  private dirty_ = false;
  /** What is on its way for an older choice is not heard. */
  private generation_ = 0;

  constructor(
    private readonly fetch_: Fetch,
    private readonly events_: StudyEvents,
    private readonly after_: (delayMs: number, callback: () => void) => void,
    private readonly drawn_: DrawnBars,
  ) {}

  watch(query: BarQuery | null, range: BarRange, lines: readonly StudyLine[]): void {
    this.query_ = query;
    this.range_ = range;
    this.lines_ = lines;
    this.generation_ += 1;
    this.texts_.clear();
    this.knownTo_ = -Infinity;
    this.whole_ = false;
    this.busy_ = false;
    this.barsChanged(true);
  }

  /** `all`: bars before the newest few changed too. */
  barsChanged(all = false): void {
    if (all) this.whole_ = false;
    this.dirty_ = true;
    void this.ask();
  }

  /** What the API said of that bar, or null. */
  at(key: string, time: number): DecimalText | null {
    return this.texts_.get(key)?.get(time) ?? null;
  }

  private async ask(): Promise<void> {
    const query = this.query_;
    if (this.busy_ || !this.dirty_ || !query || this.lines_.length === 0) return;
    this.busy_ = true;
    this.dirty_ = false;
    const generation = this.generation_;
    const whole = !this.whole_;
    const names = [...new Set(this.lines_.map(({ study }) => study))];
    const newer = this.drawn_.barsFrom(this.knownTo_) + kAgain;
    const range = whole ? this.range_ : { ...this.range_, limit: newer };
    const answer = await this.fetch_(query, names, range);
    if (generation !== this.generation_) return;
    if (answer.ok) {
      this.take(answer.value, whole);
      // What is pushed can be ahead of what is asked for.
      const drawnTo = this.drawn_.to();
      if (drawnTo !== null && BigInt(answer.value.offset) < BigInt(drawnTo)) this.dirty_ = true;
    } else this.events_.refused(answer.failure.message);
    this.after_(kPauseMs, () => {
      if (generation !== this.generation_) return;
      this.busy_ = false;
      void this.ask();
    });
  }

  private take(values: StudyAnswer, whole: boolean): void {
    // A reset that came meanwhile asks for all again.
    if (whole) this.whole_ = true;
    for (const { key } of this.lines_) {
      const points = values.points.get(key) ?? [];
      const texts = whole ? new Map<number, DecimalText>() : this.texts_.get(key);
      if (!texts) continue;
      this.knownTo_ = Math.max(this.knownTo_, points[points.length - 1]?.time ?? -Infinity);
      for (const { time, text } of points) {
        if (text === null) texts.delete(time);
        else texts.set(time, text);
      }
      this.texts_.set(key, texts);
      if (whole) this.events_.all(key, points);
      else this.events_.newest(key, points);
    }
  }
}
