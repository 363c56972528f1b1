// web/src/types.ts: the shapes of the HTTP API, as documented in src/api.
//
// Nanoseconds, offsets and decimals are strings: they exceed 2^53, and a number would round them.

export type Nanoseconds = string;
export type DecimalText = string;
export type Offset = string;

export type Conditions = 'eligible' | 'all';
export type Session = 'extended' | 'regular';

export const kIntervals = ['1s', '5s', '15s', '30s', '1m', '5m', '15m', '30m', '1h'] as const;
// Those of them that the demo keeps bars of.
export const kKeptIntervals = ['1m', '5m', '15m', '1h'] as const satisfies readonly Interval[];
export type Interval = (typeof kIntervals)[number];

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
  state: 'loading' | 'playing' | 'paused' | 'ended' | 'failed';
  /** Empty where a pipeline runs live. */
  label: 'recorded' | 'simulated' | '';
  date: string;
  title: string;
  source: string;
  licence: string;
  speed: number;
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
    damaged: string[];
  };
  feeds: FeedStatus[];
  quarantine: { total: string; reasons: Record<string, string> };
}

export interface Instrument {
  series: string;
  instrument: string;
  venue: string;
  channel: string;
  calendar: string;
  zone: string;
}

export interface BarsAnswer extends BarQuery {
  offset: Offset;
  bars: Bar[];
}

/** What the server sends on /api/v1/live. */
export type Frame =
  | ({ type: 'snapshot'; run: number; status: Status } & BarsAnswer)
  | { type: 'resumed'; run: number; offset: Offset; bars: Bar[]; status: Status }
  | { type: 'bars'; run: number; offset: Offset; bars: Bar[] }
  | { type: 'status'; status: Status }
  | { type: 'restarted'; run: number };
