// web/src/axis.ts: the time axis of the chart, marked at round times of the exchange's own clock.
//
// The usual trick, shifting every timestamp by the zone's offset, gives two bars one time in the
// hour that an autumn night has twice. Here times stay UTC; only marks and labels know the zone.

import {
  defaultHorzScaleBehavior,
  type IHorzScaleBehavior,
  type TickMarkType,
  type Time,
} from 'lightweight-charts';

import type { Zone } from './time';

const kWeights = { second: 10, year: 70, month: 60, day: 50 } as const;
// [seconds, weight], widest first: the library's own scale of importance.
const kIntradayWeights: readonly (readonly [number, number])[] = [
  [43_200, 33],
  [21_600, 32],
  [10_800, 31],
  [3_600, 30],
  [1_800, 22],
  [300, 21],
  [60, 20],
];

/** How important a mark between two neighbours is; both in seconds of the zone's clock. */
export function tickWeight(local: number, previousLocal: number): number {
  const now = new Date(local * 1000);
  const before = new Date(previousLocal * 1000);
  if (now.getUTCFullYear() !== before.getUTCFullYear()) return kWeights.year;
  if (now.getUTCMonth() !== before.getUTCMonth()) return kWeights.month;
  if (now.getUTCDate() !== before.getUTCDate()) return kWeights.day;
  for (const [seconds, weight] of kIntradayWeights) {
    if (Math.floor(local / seconds) !== Math.floor(previousLocal / seconds)) return weight;
  }
  return kWeights.second;
}

/** What stands under the axis at `time`; `kind` is the library's TickMarkType. */
export function tickLabel(time: number, kind: TickMarkType, zone: Zone): string {
  const kTime = 3;
  const kTimeWithSeconds = 4;
  if (kind === kTime) return zone.clock(time);
  if (kind === kTimeWithSeconds) return zone.clock(time, true);
  return zone.day(time);
}

type Behavior = IHorzScaleBehavior<Time>;
type Points = Parameters<Behavior['fillWeightsForPoints']>[0];
type Weight = Points[number]['timeWeight'];

/** The library's scale of time with the marks of `zone()`. */
export function zonedScale(zone: () => Zone): Behavior {
  const Base = defaultHorzScaleBehavior();
  return new (class extends Base {
    override fillWeightsForPoints(points: Points, startIndex: number): void {
      const local = (index: number): number =>
        zone().localSeconds(points[index]!.originalTime as number);
      for (let index = Math.max(startIndex, 1); index < points.length; ++index) {
        points[index]!.timeWeight = tickWeight(local(index), local(index - 1)) as Weight;
      }
      if (startIndex === 0 && points.length > 1) {
        // The first bar has no neighbour: take one as far back as the second is ahead.
        const first = local(0);
        points[0]!.timeWeight = tickWeight(first, first - (local(1) - first)) as Weight;
      }
    }
  })();
}
