// web/src/pipeline_page.ts: the way of the data, stage by stage: how fast, how far behind, what was
// left out. Whatever /metrics counts of a stage stands in its card.

import type { Answer } from './api';
import { byId, make, setText } from './dom';
import { formatBytes, freeDisk, showFacts, type Fact } from './facts';
import { formatCount } from './format';
import { between, parseMetrics, quantile, Rates, type Sample } from './metrics';
import { refusals } from './play_text';
import type { Completeness, Quality, QualityDay, QualityGap, Status } from './types';

const kStages = ['feeds', 'tape', 'windows', 'store', 'api'] as const;
type Stage = (typeof kStages)[number];

const kStageTexts: Record<Stage, { title: string; does: string; unit: string }> = {
  feeds: { title: 'Feeds', does: 'frames to events', unit: 'events/s' },
  tape: { title: 'Tape', does: 'durable, in order', unit: 'durable/s' },
  windows: { title: 'Windows', does: 'events to bars', unit: 'bars/s' },
  store: { title: 'Store', does: 'results, kept', unit: 'events/s' },
  api: { title: 'API', does: 'to whoever watches', unit: 'frames/s' },
};

// What the headline of a stage is the rate of, where /metrics counts it.
const kCounted: [Stage, RegExp][] = [['windows', /^(windows?|bars?)_.*(bars|trades|events)$/]];

/** Which stage a metric is of, by the room that its name begins with. */
export function stageOf({ name, labels }: Sample): Stage | null {
  const room = /^[a-z]+/.exec(name)?.[0] ?? '';
  const known: Record<string, Stage> = {
    feed: 'feeds',
    feeds: 'feeds',
    quality: 'feeds',
    quarantine: 'feeds',
    tape: 'tape',
    window: 'windows',
    windows: 'windows',
    bar: 'windows',
    bars: 'windows',
    store: 'store',
    api: 'api',
    net: 'api',
    http: 'api',
    live: 'api',
    venue: 'feeds',
    received: 'feeds',
    durable: 'tape',
    pushed: 'api',
  };
  // The pipeline's own carry the stage as a label.
  const label = /(?:stage|queue|to)=([a-z]+)/.exec(labels)?.[1] ?? '';
  return known[room] ?? known[label] ?? null;
}

/** Where events come, some are always on their way. */
const kBehindShown = 10_000;

const kCauses: Readonly<Record<QualityGap['cause'], string>> = {
  ours: 'not connected',
  venue: 'the venue did not send it',
  unknown: 'not known',
};

/** What the histograms of the stages measure, by their label. */
const kLatencies: Readonly<Record<string, string>> = {
  venue: 'Venue to here',
  received: 'Received to taken',
  durable: 'Taken to durable',
  bar: 'Durable to bar',
  pushed: 'Bar to browser',
};

export interface PipelineWorld {
  metrics(): Promise<Answer<string>>;
  quality(): Promise<Answer<Quality>>;
  completeness(): Promise<Answer<Completeness>>;
  /** Of how many events the results are stored. */
  stored(): Promise<Answer<bigint>>;
  /** Seconds, of a clock that does not go back. */
  now(): number;
}

interface Card {
  /** The headline and its line. */
  head: HTMLElement;
  rate: HTMLElement;
  line: SVGPathElement;
  facts: HTMLElement;
  metrics: HTMLElement;
}

const kSvg = 'http://www.w3.org/2000/svg';
const kLine = { width: 200, height: 36 };

export class PipelinePage {
  private readonly cards_ = new Map<Stage, Card>();
  private readonly feeds_ = byId('pipeline-feeds');
  private readonly quality_ = byId('pipeline-quality');
  private readonly reasons_ = byId('pipeline-reasons');
  private readonly rates_ = new Rates();
  private samples_: Sample[] = [];
  private before_ = new Map<string, [number, number][]>();
  private status_: Status | null = null;
  private known_: Quality | null = null;
  private completeness_: Completeness | null = null;
  private stored_: bigint | null = null;
  private lag_ = '';
  private busy_ = false;

  constructor(private readonly world_: PipelineWorld) {
    byId('pipeline-stages').append(...kStages.map((stage) => this.card(stage)));
  }

  /** With every status, whether the page is looked at or not: the rates go on. */
  setStatus(status: Status, lag: string): void {
    this.status_ = status;
    const now = this.world_.now();
    const sum = (key: 'events'): number =>
      status.feeds.reduce((total, feed) => total + Number(feed[key]), 0);
    this.rates_.add('feeds', now, sum('events'));
    for (const feed of status.feeds) this.rates_.add(`feed ${feed.id}`, now, Number(feed.events));
    this.rates_.add('tape', now, Number(status.tape.durable_offset));
    this.rates_.add('tape bytes', now, Number(status.tape.bytes));
    this.lag_ = lag;
  }

  /** Asks for what the status does not have, and shows all. */
  async show(): Promise<void> {
    if (this.busy_) return;
    this.busy_ = true;
    const [metrics, quality, completeness, stored] = await Promise.all([
      this.world_.metrics(),
      this.world_.quality(),
      this.world_.completeness(),
      this.world_.stored(),
    ]);
    this.busy_ = false;
    const now = this.world_.now();
    if (metrics.ok) {
      const before = this.samples_;
      this.samples_ = parseMetrics(metrics.value);
      this.before_ = new Map(before.map((one) => [one.name + one.labels, one.buckets ?? []]));
      for (const name of new Set(this.samples_.map((sample) => sample.name))) {
        this.rates_.add(name, now, total(this.samples_.filter((sample) => sample.name === name)));
      }
      const frames = this.samples_.filter(({ name }) => name === 'api_frames');
      this.rates_.add('api', now, total(frames));
      for (const [stage, counted] of kCounted) {
        const own = this.samples_.filter(({ name }) => counted.test(name));
        if (own.length > 0) this.rates_.add(stage, now, total(own));
      }
    }
    if (quality.ok) this.known_ = quality.value;
    if (completeness.ok) this.completeness_ = completeness.value;
    this.stored_ = stored.ok ? stored.value : null;
    if (stored.ok) this.rates_.add('store', now, Number(stored.value));
    this.draw();
  }

  private draw(): void {
    const status = this.status_;
    if (!status) return;
    const facts = this.facts(status);
    const byStatus: Stage[] = ['feeds', 'tape', 'api'];
    for (const [stage, card] of this.cards_) {
      const rate = this.rates_.rate(stage);
      card.head.hidden = rate === null && !byStatus.includes(stage);
      setText(card.rate, rate === null ? '–' : rateText(rate));
      card.line.setAttribute('d', linePath(this.rates_.line(stage)));
      showFacts(card.facts, facts[stage]);
      const own = this.samples_.filter((sample) => stageOf(sample) === stage);
      showFacts(card.metrics, this.metricFacts(own));
    }
    this.drawFeeds(status);
    this.drawQuality(status);
    this.drawCompleteness();
  }

  private facts(status: Status): Record<Stage, Fact[]> {
    const { tape, feeds } = status;
    const known = this.known_;
    const sum = (key: 'events' | 'duplicates' | 'refused'): string =>
      formatCount(String(feeds.reduce((total_, feed) => total_ + BigInt(feed[key]), 0n)));
    const bytes = this.rates_.rate('tape bytes');
    return {
      feeds: [
        { name: 'Feeds', value: feeds.map(({ state }) => state).join(', ') || 'none' },
        { name: 'Behind the market', value: this.lag_ || '–' },
        { name: 'Events', value: sum('events') },
        { name: 'Duplicates dropped', value: sum('duplicates') },
        { name: 'Refused', value: sum('refused') },
      ],
      tape: [
        { name: 'State', value: tape.state.replaceAll('_', ' ') },
        { name: 'Durable offset', value: formatCount(tape.durable_offset) },
        { name: 'Size', value: formatBytes(tape.bytes) },
        { name: 'Growing by', value: bytes === null ? '–' : `${formatBytes(bytes)}/s` },
        { name: 'Segments', value: segmentsText(tape) },
        { name: 'Free disk', value: freeDisk(tape) },
        ...(tape.message ? [{ name: 'Says', value: tape.message }] : []),
        ...tape.damaged.map((damage) => ({ name: 'Damaged', value: damage })),
      ],
      windows: known
        ? [
            { name: 'Late, bar revised', value: formatCount(known.late) },
            { name: 'Too late for any bar', value: formatCount(known.unapplied) },
          ]
        : [],
      store: this.stored_ === null ? [] : storeFacts(this.stored_, tape.durable_offset),
      api: [],
    };
  }

  /** Counts of one name are added up, whatever their labels; of histograms each stands alone. */
  private metricFacts(samples: readonly Sample[]): Fact[] {
    const names = [...new Set(samples.map(({ name }) => name))];
    return names.flatMap((name) => {
      const same = samples.filter((sample) => sample.name === name);
      if (same[0]!.kind === 'histogram') return same.map((sample) => this.latencyFact(sample));
      const value = total(same);
      const text = (of: number): string =>
        name.endsWith('bytes') ? formatBytes(of) : rateText(of);
      if (same[0]!.kind === 'gauge') return [{ name: wordsOf(name), value: text(value) }];
      // A loss that never happened is not news.
      if (value === 0) return [];
      const rate = this.rates_.rate(name);
      return [{ name: wordsOf(name), value: rate ? `${text(rate)}/s` : text(value) }];
    });
  }

  private latencyFact({ name, labels, buckets }: Sample): Fact {
    const since = between(this.before_.get(name + labels), buckets ?? []);
    const recent = quantile(since, 0.5) === null ? (buckets ?? []) : since;
    const [half, most] = [quantile(recent, 0.5), quantile(recent, 0.99)];
    const of = /=([\w-]+)/.exec(labels)?.[1];
    const what = name === 'stage_seconds' ? kLatencies[of ?? ''] : undefined;
    const words = `${wordsOf(name).replace(/ seconds$/, '')}${of ? ` ${of}` : ''}`;
    return {
      name: `${what ?? words}, p50 / p99`,
      value: half === null || most === null ? '–' : `${boundText(half)} / ${boundText(most)}`,
    };
  }

  private drawFeeds(status: Status): void {
    const rows = status.feeds.map((feed) => {
      const rate = this.rates_.rate(`feed ${feed.id}`);
      return [
        feed.id,
        feed.state,
        rate === null ? '–' : rateText(rate),
        formatCount(feed.events),
        formatCount(feed.duplicates),
        formatCount(feed.refused),
      ];
    });
    showRows(this.feeds_, rows);
  }

  private drawQuality(status: Status): void {
    const quarantine = this.known_?.quarantine ?? status.quarantine;
    showFacts(this.quality_, [
      { name: 'In quarantine', value: formatCount(quarantine.total) },
      ...refusals(quarantine).map(([name, count]) => ({ name, value: count, part: true })),
    ]);
    const examples = this.known_?.quarantine.examples ?? [];
    byId('pipeline-examples').hidden = examples.length === 0;
    showRows(
      this.reasons_,
      examples.map(({ reason, detail, where, text }) => [
        reason.replaceAll('_', ' '),
        detail,
        where,
        text,
      ]),
    );
  }

  private drawCompleteness(): void {
    const known = this.completeness_;
    if (!known) return;
    const note =
      known.problem ||
      (Number(known.behind) < kBehindShown
        ? ''
        : `${formatCount(known.behind)} older events are still to be looked at.`);
    setText(byId('pipeline-days-note'), note);
    byId('pipeline-days-note').hidden = note === '';
    showRows(byId('pipeline-days'), [...known.days].reverse().map(dayRow));
    byId('pipeline-gaps-card').hidden = known.gaps.length === 0;
    showRows(
      byId('pipeline-gaps'),
      [...known.gaps].reverse().map(({ series, first_id, last_id, missing, after, before, cause }) => [
        series,
        first_id === last_id ? first_id : `${first_id} – ${last_id}`,
        formatCount(missing),
        instantText(after),
        instantText(before),
        kCauses[cause],
      ]),
    );
    byId('pipeline-outages-card').hidden = known.outages.length === 0;
    showRows(
      byId('pipeline-outages'),
      [...known.outages]
        .reverse()
        .map(({ feed, from, to }) => [feed, instantText(from), to ? instantText(to) : 'still']),
    );
    byId('pipeline-drift-card').hidden = known.drift.length === 0;
    showRows(
      byId('pipeline-drift'),
      [...known.drift].reverse().map(({ venue, instrument, date, field, is, first }) => [
        venue,
        instrument,
        date,
        field,
        is === 'missing' ? 'is missing' : 'is new',
        instantText(first),
      ]),
    );
  }

  private card(stage: Stage): HTMLElement {
    const { title, does, unit } = kStageTexts[stage];
    const card = make('section', 'card stage');
    card.dataset.stage = stage;
    const head = make('h2', 'panel-title', title);
    head.id = `stage-${stage}`;
    card.setAttribute('aria-labelledby', head.id);
    const rate = make('span', 'stage-number', '–');
    const now = make('p', 'stage-rate');
    now.append(rate, ' ', make('span', 'unit', unit));
    const svg = document.createElementNS(kSvg, 'svg');
    svg.setAttribute('class', 'stage-line');
    svg.setAttribute('viewBox', `0 0 ${kLine.width} ${kLine.height}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    const line = document.createElementNS(kSvg, 'path');
    svg.append(line);
    const facts = make('dl', 'facts');
    const metrics = make('dl', 'facts facts-small');
    const headline = make('div', 'stage-head');
    headline.append(now, svg);
    card.append(head, make('p', 'unit stage-does', does), headline, facts, metrics);
    this.cards_.set(stage, { head: headline, rate, line, facts, metrics });
    return card;
  }
}

function dayRow(day: QualityDay): string[] {
  const count = (value: string | null): string => (value === null ? '–' : formatCount(value));
  const { delay_min_ns: least, delay_max_ns: most } = day;
  return [
    day.series,
    day.date,
    formatCount(String(BigInt(day.trades) + BigInt(day.others))),
    `${formatCount(day.minutes)} of ${formatCount(day.session_minutes)}`,
    count(day.missing),
    day.duplicates === null ? '0' : formatCount(day.duplicates),
    count(day.reordered),
    count(day.late),
    least === null || most === null ? '–' : `${delayText(least)} to ${delayText(most)}`,
  ];
}

/** Nanoseconds; below 0: the venue's clock is ahead of ours. */
function delayText(ns: string): string {
  const seconds = Number(ns) / 1e9;
  const size = Math.abs(seconds);
  const text = size >= 1 || size === 0 ? `${rateText(size)} s` : boundText(size);
  return seconds < 0 ? `−${text}` : text;
}

/** 2024-01-01T00:00:01.500000000Z as "2024-01-01 00:00:01.5". */
function instantText(iso: string): string {
  return iso.replace('T', ' ').replace(/\.?0*Z$/, '');
}

/** The tape is ahead by what windows and store have still to do. */
function storeFacts(stored: bigint, durable: string): Fact[] {
  const behind = BigInt(durable) - stored;
  return [
    { name: 'Results stored up to', value: formatCount(String(stored)) },
    { name: 'Behind the tape', value: `${formatCount(String(behind > 0n ? behind : 0n))} events` },
  ];
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, { value }) => sum + value, 0);
}

function segmentsText({ segments, unsealed }: Status['tape']): string {
  const count = segments === undefined ? '–' : formatCount(segments);
  return unsealed && unsealed !== '0' ? `${count}, ${formatCount(unsealed)} not sealed` : count;
}

/** "queue_bytes_max" as "queue bytes max"; the room in front is said by the card. */
function wordsOf(name: string): string {
  const words = name.replace(/^[a-z]+_/, '').replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** 1,234 or 12.3 or 0.05 */
export function rateText(value: number): string {
  const places = value >= 100 || value === 0 ? 0 : value >= 1 ? 1 : 2;
  return formatCount(value.toFixed(places));
}

/** Seconds of a histogram's bound: "1 ms", "2.5 s". */
function boundText(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'more';
  if (seconds >= 1) return `${seconds} s`;
  if (seconds >= 0.001) return `${rateText(seconds * 1e3)} ms`;
  return `${rateText(seconds * 1e6)} µs`;
}

function linePath(values: readonly number[]): string {
  if (values.length < 2) return '';
  const { width, height } = kLine;
  const top = Math.max(...values) || 1;
  return values
    .map((value, index) => {
      const x = (index / (values.length - 1)) * width;
      const y = height - 1 - (value / top) * (height - 2);
      return `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

function showRows(body: HTMLElement, rows: readonly (readonly string[])[]): void {
  while (body.children.length > rows.length) body.lastElementChild!.remove();
  rows.forEach((texts, index) => {
    let row = body.children[index];
    if (!row || row.children.length !== texts.length) {
      row?.remove();
      row = make('tr');
      row.append(...texts.map((_, at) => make(at === 0 ? 'th' : 'td')));
      (row.firstElementChild as HTMLTableCellElement).scope = 'row';
      body.insertBefore(row, body.children[index] ?? null);
    }
    texts.forEach((text, at) => setText(row!.children[at]!, text));
  });
}
