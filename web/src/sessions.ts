// web/src/sessions.ts: the hours outside the regular session, shaded behind the bars.

import type { IPanePrimitive, ITimeScaleApi, Time } from 'lightweight-charts';

import type { Answer, BarRange } from './api';
import { secondsOf } from './time';
import type { BarQuery, BarsAnswer } from './types';

export type SessionOf = (time: number) => 'regular' | 'extended' | 'unknown';

type Fetch = (query: BarQuery, range: BarRange) => Promise<Answer<BarsAnswer>>;

const kNewest = 3;

/**
 * Which bars hold trades of the regular session: those that its own bar series has too. The page
 * knows no calendar; holidays and half days are right because the trades say so.
 */
export class RegularHours {
  private query_: BarQuery | null = null;
  private range_: BarRange = {};
  private readonly regular_ = new Set<number>();
  /** What came later is not known yet. */
  private knownTo_ = -Infinity;
  private busy_ = false;

  constructor(
    private readonly fetch_: Fetch,
    private readonly changed_: () => void,
  ) {}

  readonly sessionOf: SessionOf = (time) => {
    if (this.regular_.has(time)) return 'regular';
    return time <= this.knownTo_ ? 'extended' : 'unknown';
  };

  /** Null: nothing is to be told apart. */
  watch(query: BarQuery | null, range: BarRange): void {
    const same = JSON.stringify([query, range]) === JSON.stringify([this.query_, this.range_]);
    if (same) return;
    this.query_ = query;
    this.range_ = range;
    this.forget();
  }

  forget(): void {
    this.regular_.clear();
    this.knownTo_ = -Infinity;
    this.changed_();
  }

  /** The times of the bars that are shown, ascending; asks when there are newer ones. */
  async cover(times: readonly number[]): Promise<void> {
    const query = this.query_;
    const last = times[times.length - 1];
    // The newest bar may yet get its first regular trade.
    const closed = times[times.length - 2];
    if (!query || this.busy_ || last === undefined || (closed ?? last) <= this.knownTo_) return;
    const some = this.regular_.size > 0 && times.filter((time) => time > this.knownTo_).length <= 2;
    this.busy_ = true;
    const limit = some ? { limit: kNewest } : {};
    const range = this.range_;
    const answer = await this.fetch_({ ...query, session: 'regular' }, { ...range, ...limit });
    this.busy_ = false;
    if (query !== this.query_ || range !== this.range_) return;
    if (!answer.ok) return;
    for (const bar of answer.value.bars) this.regular_.add(secondsOf(bar.ts_open));
    this.knownTo_ = closed ?? last;
    this.changed_();
  }
}

/** [first, last] of each run of neighbours outside the regular session. */
export function extendedRuns(
  count: number,
  from: number,
  to: number,
  sessionAt: (index: number) => ReturnType<SessionOf>,
): [number, number][] {
  const runs: [number, number][] = [];
  for (let at = Math.max(from, 0); at <= Math.min(to, count - 1); ++at) {
    if (sessionAt(at) !== 'extended') continue;
    const run = runs[runs.length - 1];
    if (run && run[1] === at - 1) run[1] = at;
    else runs.push([at, at]);
  }
  return runs;
}

type Target = Parameters<
  NonNullable<
    ReturnType<
      NonNullable<ReturnType<NonNullable<IPanePrimitive<Time>['paneViews']>>[number]>['renderer']
    >
  >['draw']
>[0];

/** Paints one pane. `runs` are of the bars in view, each a pair of their indexes. */
export function sessionShade(
  scale: ITimeScaleApi<Time>,
  runs: () => readonly (readonly [number, number])[],
  colour: () => string,
): IPanePrimitive<Time> {
  const draw = (target: Target): void => {
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
      context.fillStyle = colour();
      const half = scale.options().barSpacing / 2;
      for (const [first, last] of runs()) {
        const left = scale.logicalToCoordinate(first as never);
        const right = scale.logicalToCoordinate(last as never);
        if (left === null || right === null) continue;
        const from = Math.round((left - half) * horizontalPixelRatio);
        const to = Math.round((right + half) * horizontalPixelRatio);
        context.fillRect(from, 0, to - from, bitmapSize.height);
      }
    });
  };
  const renderer = { draw: () => {}, drawBackground: draw };
  const views = [{ zOrder: () => 'bottom' as const, renderer: () => renderer }];
  return { paneViews: () => views };
}
