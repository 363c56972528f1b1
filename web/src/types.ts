// web/src/types.ts: the shapes of the HTTP API, as documented in src/api.
//
// Nanoseconds, offsets and decimals are strings: they exceed 2^53, and a number would round them.

export type Nanoseconds = string;
export type DecimalText = string;
export type Offset = string;

export type Conditions = 'eligible' | 'all';
export type Session = 'extended' | 'regular';

/** "1m", "1h" */
export type Interval = string;

/** Which bars to show. Two queries with the same four fields name the same bars. */
export interface BarQuery {
  series: string;
  interval: Interval;
  conditions: Conditions;
  session: Session;
}

export interface Bar {
  ts_open: Nanoseconds;
  /** Null when no trade of the bar may set this price; such a bar still has volume. */
  open: DecimalText | null;
  high: DecimalText | null;
  low: DecimalText | null;
  close: DecimalText | null;
  volume: DecimalText;
  /** Trades that count in volume. */
  trades: number;
  /** Trades that the conditions leave out. */
  excluded: number;
  notional: DecimalText;
  /** False while the bar is still being made. */
  final: boolean;
  /** Final, and nothing that came for it was left out. */
  complete?: boolean;
  /** Rises each time a late trade corrects a final bar. */
  revision: number;
  /** Of the last revision. */
  reason?: 'late' | 'repair' | 'cancel' | 'correction' | null;
  /** When what it holds was known. */
  ts_known?: Nanoseconds;
  /** Trades that came when the bar could not be revised any more. */
  unapplied?: number;
  offset: Offset;
}

export interface Play {
  state: 'loading' | 'playing' | 'ended' | 'failed';
  /** Empty where a pipeline runs live. */
  label: 'recorded' | 'simulated' | '';
  date: string;
  title: string;
  source: string;
  licence: string;
  speed: number;
  /** It stands still. */
  paused: boolean;
  market_time: Nanoseconds;
  start_time: Nanoseconds;
  end_time: Nanoseconds;
  zone: string;
  /** Rises on every restart; bars of two runs are never mixed. */
  run: number;
  error: string | null;
}

export interface FeedStatus {
  id: string;
  state: string;
  events: string;
  duplicates: string;
  refused: string;
}

export interface Status {
  version: string;
  mode: string;
  play: Play;
  tape: {
    durable_offset: Offset;
    bytes: string;
    state: string;
    message: string;
    free_bytes: string;
    days_until_full: number | null;
    segments?: string;
    unsealed?: string;
    damaged: string[];
  };
  feeds: FeedStatus[];
  quarantine: { total: string; reasons: Record<string, string> };
}

/** What is known about how whole the data is. */
/** One series on one trading day; see /api/v1/quality/days. */
export interface QualityDay {
  series: string;
  date: string;
  trades: string;
  others: string;
  minutes: number;
  session_minutes: number;
  missing: string | null;
  duplicates: string | null;
  reordered: string;
  late: string;
  disorder_ns: string;
  delay_min_ns: string | null;
  delay_max_ns: string | null;
}

export interface QualityGap {
  series: string;
  first_id: string;
  last_id: string;
  missing: string;
  after: string;
  before: string;
  cause: 'ours' | 'venue' | 'unknown';
}

/** When a feed was not connected. */
export interface QualityOutage {
  feed: string;
  from: string;
  to: string | null;
}

/** A field that trades had and nobody knows, or that they lacked. */
export interface QualityDrift {
  venue: string;
  instrument: string;
  date: string;
  field: string;
  is: 'unknown' | 'missing';
  first: string;
}

export interface Completeness {
  whole: boolean;
  behind: string;
  problem: string;
  days: QualityDay[];
  gaps: QualityGap[];
  outages: QualityOutage[];
  drift: QualityDrift[];
}

export interface Quality {
  duplicates: string;
  refused: string;
  late: string;
  /** Trades that no bar could take any more. */
  unapplied: string;
  marks: string;
  quarantine: {
    total: string;
    reasons: Record<string, string>;
    examples: { reason: string; detail: string; where: string; text: string }[];
    file_problem: string;
  };
}

export interface Instrument {
  series: string;
  instrument: string;
  venue: string;
  channel: string;
  calendar: string;
  zone: string;
}

/** What bars are kept of every series. */
export interface BarSeries extends Omit<BarQuery, 'series'> {
  source: 'trades' | 'last' | 'vendor';
}

export interface InstrumentsAnswer {
  instruments: Instrument[];
  bars?: BarSeries[];
}

export interface BarsAnswer extends BarQuery {
  offset: Offset;
  bars: Bar[];
}

/** Integers come as text, for a number here cannot hold them all. */
export interface SqlAnswer {
  columns: string[];
  rows: (string | number | null)[][];
  limited: boolean;
}

export type EmptyReason =
  | 'closed'
  | 'no_trade'
  | 'not_connected'
  | 'unknown'
  | 'provisional'
  | 'dropped';

/** Why there is no bar where none is. */
export interface EmptyAnswer {
  empty: { start: Nanoseconds; end: Nanoseconds; reason: EmptyReason }[];
}

export type Basis = 'previous_close' | 'session_open' | 'first_price';

/** The last price of a series, and how far it is from its basis. */
export interface LastRow {
  series: string;
  price: DecimalText | null;
  /** Null where the price is known from a bar only. */
  size: DecimalText | null;
  ts_event: Nanoseconds | null;
  change: DecimalText | null;
  change_percent: DecimalText | null;
  basis: Basis | null;
  basis_price: DecimalText | null;
  basis_time: Nanoseconds | null;
  offset: Offset;
}

/** What of a bar a trade may update. */
export type Effect = 'open_close' | 'high_low' | 'volume';

export interface TradeRow {
  ts_event: Nanoseconds;
  ts_recv: Nanoseconds;
  price: DecimalText;
  size: DecimalText;
  /** The taker's. */
  side: 'unknown' | 'buy' | 'sell';
  /** By their names. */
  conditions: string[];
  /** It may update everything of a bar of its session. */
  eligible: boolean;
  updates: Effect[];
  session: 'pre' | 'regular' | 'post' | 'closed';
  /** With seq and position its identity. */
  origin: string;
  seq: string;
  position: string;
  offset: Offset;
}

export interface TradesAnswer {
  series: string;
  run: number;
  offset: Offset;
  /** There are more in the range. */
  limited: boolean;
  trades: TradeRow[];
}

interface FrameHead {
  id: string;
  run: number;
  offset: Offset;
}

/** What a subscription brings: all of it, what changed since a cut, what changed. */
export type DataFrame = FrameHead &
  (
    | { type: 'snapshot' | 'resumed' | 'bars'; bars: Bar[] }
    | { type: 'snapshot' | 'resumed' | 'last'; last: LastRow[] }
    | {
        type: 'snapshot' | 'resumed' | 'trades';
        trades: TradeRow[];
        /** More came than are kept in memory. */
        skipped: boolean;
      }
  );

/** What the server sends on /api/v1/live. */
export type Frame =
  | DataFrame
  | { type: 'restarted'; id: string; run: number }
  | { type: 'unsubscribed'; id: string }
  | { type: 'error'; id: string | null; error: { code: string; message: string } }
  | { type: 'status'; status: Status };
