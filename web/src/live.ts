// web/src/live.ts: the live connection as a state machine. No DOM, no clock, no network of its own.
//
//   start() -> connecting -> live <-> reconnecting
//                              \-> refused | unauthorised   (both keep trying, slowly)
//
// One socket carries all subscriptions: the bars of one query, the last price of every series, and
// the trades of one series. A cut connection is resumed from each one's (run, offset): the server
// answers with what changed since, or with a whole snapshot when that run is over. "restarted" drops
// what a subscription had and waits for a snapshot.

import { BarBook, type BarChange } from './bars';
import { parseFrame } from './frame';
import type { BarQuery, DataFrame, LastRow, Offset, Status, TradeRow } from './types';

export type Connection =
  'idle' | 'connecting' | 'live' | 'reconnecting' | 'refused' | 'unauthorised';

export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  opened(): void;
  message(text: string): void;
  /** Once, whether it was open or never opened. */
  closed(): void;
}

/** Why a connection may have failed; a browser's WebSocket does not tell. */
export type Diagnosis =
  | { kind: 'reachable' }
  | { kind: 'unreachable' }
  | { kind: 'unauthorised' }
  | { kind: 'refused'; message: string };

export interface LiveWorld {
  open(path: string, events: SocketEvents): Socket;
  /** Calls back once after `delayMs`; the result cancels it. */
  after(delayMs: number, callback: () => void): () => void;
  /** In [0, 1). */
  random(): number;
  diagnose(): Promise<Diagnosis>;
}

export interface LiveEvents {
  connection(): void;
  /** All bars were replaced. */
  reset(): void;
  bars(change: BarChange): void;
  /** Rows that changed; `whole`: all there are. */
  last(rows: readonly LastRow[], whole: boolean): void;
  /** Newer trades, ascending; `whole`: in place of what came before. */
  trades(rows: readonly TradeRow[], whole: boolean): void;
  status(status: Status): void;
}

export interface LiveCounters {
  snapshots: number;
  resumes: number;
  reconnects: number;
  restarts: number;
  /** Frames that could not be read. */
  malformed: number;
  /** Frames of another run, or of a subscription that is over. */
  foreign: number;
}

type Channel = 'bars' | 'last' | 'trades';

interface Subscription {
  readonly id: string;
  readonly channel: Channel;
  readonly fields: Readonly<Record<string, string>>;
  run: number | null;
  /** Null while what we hold is not that of `run`. */
  offset: Offset | null;
}

// The server sends a status every second; a wire that is cut without a word shows by its silence.
const kSilenceMs = 5_000;
/** Changes come no more often: an eye sees no more, and a chart is dear to paint. */
const kEveryMs = 50;
const kBackoffFirstMs = 250;
const kBackoffMaxMs = 8_000;
// As many as a snapshot has.
const kBarsMax = 1_024;
// A subscription that is refused may be granted later: its instrument comes with its first trade.
const kAskAgainMs = 2_000;

export class LiveClient {
  readonly book = new BarBook(kBarsMax);
  readonly counters: LiveCounters = {
    snapshots: 0,
    resumes: 0,
    reconnects: 0,
    restarts: 0,
    malformed: 0,
    foreign: 0,
  };

  private query_: BarQuery | null = null;
  private studies_: readonly string[] = [];
  private connection_: Connection = 'idle';
  private refusal_ = '';
  private status_: Status | null = null;
  private readonly subscriptions_ = new Map<Channel, Subscription>();
  private numbered_ = 0;

  private socket_: Socket | null = null;
  private open_ = false;
  /** Events of a socket that is not the newest are not heard. */
  private generation_ = 0;
  private attempt_ = 0;
  private cancelSilence_: () => void = () => {};
  private cancelRetry_: () => void = () => {};
  private cancelAskAgain_: () => void = () => {};

  constructor(
    private readonly world_: LiveWorld,
    private readonly events_: LiveEvents,
  ) {}

  connection(): Connection {
    return this.connection_;
  }

  /** The server's words when `connection()` is refused. */
  refusal(): string {
    return this.refusal_;
  }

  query(): BarQuery | null {
    return this.query_;
  }

  status(): Status | null {
    return this.status_;
  }

  run(): number | null {
    return this.subscriptions_.get('bars')?.run ?? null;
  }

  offset(): Offset | null {
    return this.subscriptions_.get('bars')?.offset ?? null;
  }

  start(): void {
    if (this.connection_ === 'idle') this.connect('connecting');
  }

  /** The names of the indicators that come with the bars. */
  studies(): readonly string[] {
    return this.studies_;
  }

  /** Shows the bars of `query` from now on, with these indicators. */
  watch(query: BarQuery, studies: readonly string[] = []): void {
    const before = this.query_;
    const names = Object.keys(query) as (keyof BarQuery)[];
    const same = before !== null && names.every((name) => before[name] === query[name]);
    const indicators = studies.join(',');
    if (same && indicators === this.studies_.join(',')) return;
    this.query_ = query;
    this.studies_ = studies;
    this.cancelAskAgain_();
    this.replace('bars', { ...query, ...(indicators && { indicators }) });
    // The same bars stay until they come with the other indicators.
    if (!same) this.forget('bars');
    if (this.connection_ === 'refused') this.setConnection('connecting');
  }

  watchLast(): void {
    this.replace('last', {});
  }

  /** Null: of none. */
  watchTrades(series: string | null): void {
    if (series === null) this.drop('trades');
    else this.replace('trades', { series });
    this.forget('trades');
  }

  /** Tries at once instead of waiting: the network is back, or the page is looked at again. */
  retryNow(): void {
    if (this.connection_ === 'idle' || this.socket_) return;
    this.connect(this.connection_);
  }

  stop(): void {
    this.hangUp();
    this.setConnection('idle');
  }

  private replace(channel: Channel, fields: Record<string, string>): void {
    this.drop(channel);
    this.numbered_ += 1;
    const id = `${channel}-${this.numbered_}`;
    const subscription = { id, channel, fields, run: null, offset: null };
    this.subscriptions_.set(channel, subscription);
    this.subscribe(subscription);
  }

  private drop(channel: Channel): void {
    const before = this.subscriptions_.get(channel);
    this.subscriptions_.delete(channel);
    if (before && this.open_) this.send({ type: 'unsubscribe', id: before.id });
  }

  private subscribe({ id, channel, fields, run, offset }: Subscription): void {
    if (!this.open_) return;
    const place = run !== null && offset !== null ? { run: String(run), resume: offset } : {};
    this.send({ type: 'subscribe', id, channel, ...fields, ...place });
  }

  private send(message: Record<string, string>): void {
    this.socket_?.send(JSON.stringify(message));
  }

  private connect(connection: Connection): void {
    this.hangUp();
    this.setConnection(connection);
    const generation = this.generation_;
    const current = (): boolean => generation === this.generation_;
    this.listenForSilence();
    this.socket_ = this.world_.open(`api/v1/live?every=${kEveryMs}ms`, {
      opened: () => {
        if (!current()) return;
        this.open_ = true;
        for (const subscription of this.subscriptions_.values()) this.subscribe(subscription);
      },
      message: (text) => {
        if (current()) this.receive(text);
      },
      closed: () => {
        if (current()) this.lost();
      },
    });
  }

  private receive(text: string): void {
    const frame = parseFrame(text);
    if (!frame) {
      this.counters.malformed += 1;
      this.startOver();
      return;
    }
    this.listenForSilence();
    if (frame.type === 'status') {
      // Only a connection that lasts clears the backoff: one that always fails after its snapshot
      // must not spin.
      this.attempt_ = 0;
      this.takeStatus(frame.status);
      return;
    }
    const subscription = [...this.subscriptions_.values()].find(({ id }) => id === frame.id);
    if (!subscription) {
      // Of one that was ended, still on its way.
      if (frame.type !== 'unsubscribed') this.counters.foreign += 1;
      return;
    }
    if (frame.type === 'error') this.refuse(subscription, frame.error.message);
    else if (frame.type === 'restarted') {
      if (subscription.channel === 'bars') this.counters.restarts += 1;
      subscription.run = frame.run;
      this.forget(subscription.channel);
    } else if (frame.type !== 'unsubscribed') this.take(subscription, frame);
  }

  private take(subscription: Subscription, frame: DataFrame): void {
    const bars = subscription.channel === 'bars';
    const whole = frame.type === 'snapshot';
    const known = frame.run === subscription.run && subscription.offset !== null;
    if (!whole && !known) {
      this.counters.foreign += 1;
      // Between "restarted" and its snapshot, frames of the old run may still be on their way; but a
      // resume that we did not ask for means that we and the server do not agree.
      if (frame.type === 'resumed') this.startOver();
      return;
    }
    subscription.run = frame.run;
    subscription.offset = frame.offset;
    if ('bars' in frame) {
      if (whole) {
        this.book.reset(frame.bars);
        this.events_.reset();
      } else if (frame.bars.length > 0) this.events_.bars(this.book.apply(frame.bars));
    } else if ('last' in frame) this.events_.last(frame.last, whole);
    else this.events_.trades(frame.trades, whole || frame.skipped);
    if (!bars) return;
    if (whole) this.counters.snapshots += 1;
    if (frame.type === 'resumed') this.counters.resumes += 1;
    if (whole || frame.type === 'resumed') this.setConnection('live');
  }

  /** The subscription cannot be, for now. */
  private refuse(subscription: Subscription, message: string): void {
    if (subscription.channel !== 'bars') return;
    this.refusal_ = message;
    this.setConnection('refused');
    this.cancelAskAgain_();
    this.cancelAskAgain_ = this.world_.after(kAskAgainMs, () => this.subscribe(subscription));
  }

  private takeStatus(status: Status): void {
    this.status_ = status;
    this.events_.status(status);
  }

  private forget(channel: Channel): void {
    const subscription = this.subscriptions_.get(channel);
    if (subscription) subscription.offset = null;
    if (channel === 'bars') {
      this.book.reset([]);
      this.events_.reset();
    } else if (channel === 'last') this.events_.last([], true);
    else this.events_.trades([], true);
  }

  /** What we hold cannot be trusted to be whole: drop it and ask for snapshots. */
  private startOver(): void {
    for (const channel of this.subscriptions_.keys()) this.forget(channel);
    this.lost();
  }

  private lost(): void {
    this.hangUp();
    this.counters.reconnects += 1;
    if (this.connection_ === 'live' || this.connection_ === 'connecting') {
      this.setConnection('reconnecting');
    }
    const ceiling = Math.min(kBackoffMaxMs, kBackoffFirstMs * 2 ** this.attempt_);
    this.attempt_ += 1;
    // Half of the wait is by chance, so that many pages do not all come back in the same instant.
    const delay = ceiling / 2 + (ceiling / 2) * this.world_.random();
    this.cancelRetry_ = this.world_.after(delay, () => this.connect(this.connection_));
    if (this.attempt_ > 1) this.askWhy();
  }

  private askWhy(): void {
    const generation = this.generation_;
    void this.world_.diagnose().then((diagnosis) => {
      // A new socket may have been opened meanwhile; its own end asks again.
      if (generation !== this.generation_) return;
      if (diagnosis.kind === 'unauthorised') {
        this.setConnection('unauthorised');
      } else if (diagnosis.kind === 'refused') {
        this.refusal_ = diagnosis.message;
        this.setConnection('refused');
      } else {
        this.setConnection('reconnecting');
      }
    });
  }

  private listenForSilence(): void {
    this.cancelSilence_();
    this.cancelSilence_ = this.world_.after(kSilenceMs, () => this.lost());
  }

  private hangUp(): void {
    this.generation_ += 1;
    this.cancelSilence_();
    this.cancelRetry_();
    this.cancelAskAgain_();
    this.open_ = false;
    const socket = this.socket_;
    this.socket_ = null;
    socket?.close();
  }

  private setConnection(connection: Connection): void {
    if (connection === this.connection_) return;
    this.connection_ = connection;
    this.events_.connection();
  }
}
