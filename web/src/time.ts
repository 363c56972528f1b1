// web/src/time.ts: nanosecond strings to the clock of an exchange.

import type { Nanoseconds } from './types';

const kNanosecondsPerSecond = 1_000_000_000n;

/** Whole seconds since 1970 UTC, rounded down. Exact: the division is done on integers. */
export function secondsOf(time: Nanoseconds): number {
  const ns = BigInt(time);
  const seconds = ns / kNanosecondsPerSecond;
  return Number(ns < 0n && ns % kNanosecondsPerSecond !== 0n ? seconds - 1n : seconds);
}

export function intervalSeconds(interval: string): number {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[interval.slice(-1)];
  return unit === undefined ? 60 : Number(interval.slice(0, -1)) * unit;
}

// Zones move their clocks at full quarters of an hour only, so an offset holds for one.
const kOffsetBucketSeconds = 900;
const kOffsetsMax = 20_000;

/** The civil time of one IANA zone. An unknown name becomes UTC, and `name` says so. */
export class Zone {
  readonly name: string;
  private readonly parts_: Intl.DateTimeFormat;
  private readonly short_: Intl.DateTimeFormat;
  private readonly offsets_ = new Map<number, number>();

  constructor(name: string) {
    this.name = isZone(name) ? name : 'UTC';
    this.parts_ = new Intl.DateTimeFormat('en-US-u-hc-h23', {
      timeZone: this.name,
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    this.short_ = new Intl.DateTimeFormat('en-US', { timeZone: this.name, timeZoneName: 'short' });
  }

  /** Seconds to add to UTC at that instant. */
  offsetSeconds(utcSeconds: number): number {
    const bucket = Math.floor(utcSeconds / kOffsetBucketSeconds);
    const known = this.offsets_.get(bucket);
    if (known !== undefined) return known;
    const at = bucket * kOffsetBucketSeconds;
    const field: Record<string, number> = {};
    for (const part of this.parts_.formatToParts(at * 1000)) field[part.type] = Number(part.value);
    const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
    const offset = Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - at;
    if (this.offsets_.size >= kOffsetsMax) this.offsets_.clear();
    this.offsets_.set(bucket, offset);
    return offset;
  }

  /** Seconds of the zone's own clock, as if that clock were UTC. */
  localSeconds(utcSeconds: number): number {
    return utcSeconds + this.offsetSeconds(utcSeconds);
  }

  /** 09:30, or 09:30:05 with seconds. */
  clock(utcSeconds: number, withSeconds = false): string {
    return this.iso(utcSeconds).slice(11, withSeconds ? 19 : 16);
  }

  /** 2013-10-07 */
  date(utcSeconds: number): string {
    return this.iso(utcSeconds).slice(0, 10);
  }

  /** Mon 7 Oct */
  day(utcSeconds: number): string {
    const local = new Date(this.localSeconds(utcSeconds) * 1000);
    return `${kDays[local.getUTCDay()]} ${local.getUTCDate()} ${kMonths[local.getUTCMonth()]}`;
  }

  /** EDT, CET, UTC: what the zone is called at that instant. */
  abbreviation(utcSeconds: number): string {
    const parts = this.short_.formatToParts(utcSeconds * 1000);
    return parts.find((part) => part.type === 'timeZoneName')?.value ?? this.name;
  }

  private iso(utcSeconds: number): string {
    return new Date(this.localSeconds(utcSeconds) * 1000).toISOString();
  }
}

const kDays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const kMonths = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false; // RangeError: the browser does not know it
  }
}

const kTickSteps = [60, 300, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400];

/** Round times of the zone's clock strictly between start and end, at most `ticksMax` of them. */
export function roundTimes(start: number, end: number, zone: Zone, ticksMax: number): number[] {
  const span = end - start;
  const step =
    kTickSteps.find((seconds) => span / seconds <= ticksMax) ??
    Math.ceil(span / ticksMax / 86_400) * 86_400;
  const ticks: number[] = [];
  const first = Math.floor(zone.localSeconds(start) / step) * step - zone.offsetSeconds(start);
  for (let at = first; at < end; at += step) {
    // A clock change inside the range moves the round times by its difference.
    const aligned = at - (((zone.localSeconds(at) % step) + step) % step);
    if (aligned > start && aligned < end && aligned !== ticks[ticks.length - 1])
      ticks.push(aligned);
  }
  return ticks;
}

/** The date after `date`: 2013-10-31 gives 2013-11-01. */
export function nextDate(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
