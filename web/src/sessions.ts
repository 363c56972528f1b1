// web/src/sessions.ts: the hours outside the regular session, shaded behind the bars.

import type { IPanePrimitive, ITimeScaleApi, Time } from 'lightweight-charts';

/** One trading date; seconds since 1970 UTC. Regular from `open` to `close`. */
export interface Session {
  open: number;
  close: number;
}

export type SessionOf = (time: number) => 'regular' | 'extended' | 'unknown';

/** Which session an instant belongs to; `sessions` ascending. Without any, nothing is known. */
export function sessionsIn(sessions: readonly Session[]): SessionOf {
  return (time) => {
    let low = 0;
    let high = sessions.length;
    if (high === 0) return 'unknown';
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sessions[middle]!.close <= time) low = middle + 1;
      else high = middle;
    }
    const session = sessions[low];
    return session !== undefined && time >= session.open ? 'regular' : 'extended';
  };
}

/** [first, last] of each run of neighbours outside the regular session. */
export function extendedRuns(
  times: readonly number[],
  from: number,
  to: number,
  sessionOf: SessionOf,
): [number, number][] {
  const runs: [number, number][] = [];
  for (let at = Math.max(from, 0); at <= Math.min(to, times.length - 1); ++at) {
    if (sessionOf(times[at]!) !== 'extended') continue;
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
