// web/src/metrics.ts: the program's own counters, gauges and histograms, read from its OpenMetrics
// text, with the rates that two readings give.

export interface Sample {
  /** The family without the program's prefix: "tape_append_seconds". */
  name: string;
  /** "feed=us, reason=bad_price"; empty without labels. */
  labels: string;
  kind: 'counter' | 'gauge' | 'histogram';
  value: number;
  /** Of a histogram: [upper bound, count up to it], ascending, +Inf last. */
  buckets?: [number, number][];
}

const kPrefix = 'tapedeck_';
const kLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;

/** Lines that are not understood are passed over: this is a view, not a judge. */
export function parseMetrics(text: string): Sample[] {
  const kinds = new Map<string, string>();
  const samples = new Map<string, Sample>();
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (\S+)/.exec(line);
    if (type) kinds.set(type[1]!, type[2]!);
    const match = line.startsWith('#') ? null : kLine.exec(line);
    if (!match) continue;
    const [, full, inside] = match as unknown as [string, string, string | undefined];
    const value = Number(match[3]);
    const family = full.replace(/_(total|bucket|count|sum|created)$/, '');
    const kind = kinds.get(full) ?? kinds.get(family);
    const name = (kinds.has(full) ? full : family).replace(kPrefix, '');
    const pairs = [...(inside ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    const labels = pairs
      .filter(([, label]) => label !== 'le')
      .map(([, label, text_]) => `${label}=${text_}`)
      .join(', ');
    const key = `${name}{${labels}}`;
    if (kind === 'histogram') {
      const histogram = samples.get(key) ?? { name, labels, kind, value: 0, buckets: [] };
      samples.set(key, histogram);
      const bound = pairs.find(([, label]) => label === 'le')?.[2];
      if (bound !== undefined) histogram.buckets!.push([boundOf(bound), value]);
      else if (full.endsWith('_count')) histogram.value = value;
    } else if (kind === 'gauge' || (kind === 'counter' && !full.endsWith('_created'))) {
      samples.set(key, { name, labels, kind, value });
    }
  }
  return [...samples.values()];
}

function boundOf(text: string): number {
  return text === '+Inf' ? Infinity : Number(text);
}

/** The bound below which that share of what was counted lies; null without any. */
export function quantile(buckets: readonly [number, number][], share: number): number | null {
  const total = buckets[buckets.length - 1]?.[1] ?? 0;
  if (total === 0) return null;
  return buckets.find(([, count]) => count >= total * share)?.[0] ?? null;
}

/** What came between two readings of the same histogram. */
export function between(
  before: readonly [number, number][] | undefined,
  after: readonly [number, number][],
): [number, number][] {
  const counts = new Map(before);
  return after.map(([bound, count]) => [bound, count - (counts.get(bound) ?? 0)]);
}

/** How much a count rises a second, over the last readings; bounded in memory. */
export class Rates {
  private readonly readings_ = new Map<string, [at: number, value: number][]>();

  constructor(private readonly kept_ = 120) {}

  /** `at` in seconds. A count that fell began anew. */
  add(name: string, at: number, value: number): void {
    const readings = this.readings_.get(name) ?? [];
    const last = readings[readings.length - 1];
    if (last && value < last[1]) readings.length = 0;
    if (last && at <= last[0]) return;
    readings.push([at, value]);
    if (readings.length > this.kept_) readings.shift();
    this.readings_.set(name, readings);
  }

  /** Over the newest few readings; null before there are two. */
  rate(name: string, over = 5): number | null {
    const readings = this.readings_.get(name) ?? [];
    const to = readings[readings.length - 1];
    const from = readings[Math.max(readings.length - 1 - over, 0)];
    return to && from && to[0] > from[0] ? (to[1] - from[1]) / (to[0] - from[0]) : null;
  }

  /** The rate between each two readings, ascending in time. */
  line(name: string): number[] {
    const readings = this.readings_.get(name) ?? [];
    return readings.slice(1).map(([at, value], index) => {
      const [before, less] = readings[index]!;
      return (value - less) / (at - before);
    });
  }
}
