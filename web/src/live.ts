// web/src/live.ts: the live connection as a state machine. No DOM, no clock, no network of its own.
//
//   watch() -> connecting -> live <-> reconnecting
//                              \-> refused | unauthorised   (both keep trying, slowly)
//
// A cut connection is resumed from (run, offset): the server answers with the bars that changed
// since, or with a whole snapshot when that run is over. "restarted" drops the bars and waits for a
// snapshot.

import { BarBook, type BarChange } from './bars';
import { parseFrame } from './frame';
import type { Bar, BarQuery, Frame, Offset, Status } from './types';

export type Connection =
  'idle' | 'connecting' | 'live' | 'reconnecting' | 'refused' | 'unauthorised';

export interface Socket {
  close(): void;
}

export interface SocketEvents {
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
  diagnose(query: BarQuery): Promise<Diagnosis>;
}

export interface LiveEvents {
  connection(): void;
  /** All bars were replaced. */
  reset(): void;
  bars(change: BarChange): void;
  status(status: Status): void;
}

export interface LiveCounters {
  snapshots: number;
  resumes: number;
  reconnects: number;
  restarts: number;
  /** Frames that could not be read. */
  malformed: number;
  /** Frames of another run than the one shown. */
  foreign: number;
}

// The server says something at least once a second.
const kSilenceMs = 5_000;
const kBackoffFirstMs = 250;
const kBackoffMaxMs = 8_000;

export class LiveClient {
  readonly book = new BarBook();
  readonly counters: LiveCounters = {
    snapshots: 0,
    resumes: 0,
    reconnects: 0,
    restarts: 0,
    malformed: 0,
    foreign: 0,
  };

  private query_: BarQuery | null = null;
  private connection_: Connection = 'idle';
  private refusal_ = '';
  private status_: Status | null = null;
  private run_: number | null = null;
  /** Null while the bars held are not those of `query_` in `run_`. */
  private offset_: Offset | null = null;

  private socket_: Socket | null = null;
  /** Events of a socket that is not the newest are not heard. */
  private generation_ = 0;
  private attempt_ = 0;
  private cancelSilence_: () => void = () => {};
  private cancelRetry_: () => void = () => {};

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
    return this.run_;
  }

  offset(): Offset | null {
    return this.offset_;
  }

  /** Shows the bars of `query` from now on. */
  watch(query: BarQuery): void {
    this.query_ = query;
    this.forget();
    this.attempt_ = 0;
    this.connect(this.connection_ === 'reconnecting' ? 'reconnecting' : 'connecting');
  }

  /** Tries at once instead of waiting: the network is back, or the page is looked at again. */
  retryNow(): void {
    if (!this.query_ || this.connection_ === 'live' || this.socket_) return;
    this.connect(this.connection_);
  }

  stop(): void {
    this.hangUp();
    this.query_ = null;
    this.setConnection('idle');
  }

  private connect(connection: Connection): void {
    this.hangUp();
    const query = this.query_;
    if (!query) return;
    this.setConnection(connection);
    const generation = this.generation_;
    const current = (): boolean => generation === this.generation_;
    this.listenForSilence();
    this.socket_ = this.world_.open(this.path(query), {
      message: (text) => {
        if (current()) this.receive(text);
      },
      closed: () => {
        if (current()) this.lost();
      },
    });
  }

  private path(query: BarQuery): string {
    const fields: Record<string, string> = { ...query };
    if (this.run_ !== null && this.offset_ !== null) {
      fields.run = String(this.run_);
      fields.resume = this.offset_;
    }
    return `/api/v1/live?${new URLSearchParams(fields)}`;
  }

  private receive(text: string): void {
    const frame = parseFrame(text);
    if (!frame) {
      this.counters.malformed += 1;
      this.startOver();
      return;
    }
    this.listenForSilence();
    switch (frame.type) {
      case 'snapshot':
        this.takeSnapshot(frame);
        break;
      case 'resumed':
        this.takeResumed(frame);
        break;
      case 'bars':
        this.takeBars(frame);
        break;
      case 'status':
        // Only a connection that lasts clears the backoff: one that always fails after its snapshot
        // must not spin.
        this.attempt_ = 0;
        this.takeStatus(frame.status);
        break;
      case 'restarted':
        this.counters.restarts += 1;
        this.run_ = frame.run;
        this.forget();
        break;
    }
  }

  private takeSnapshot(frame: Extract<Frame, { type: 'snapshot' }>): void {
    this.counters.snapshots += 1;
    this.run_ = frame.run;
    this.offset_ = frame.offset;
    this.book.reset(frame.bars);
    this.takeStatus(frame.status);
    this.events_.reset();
    this.setConnection('live');
  }

  private takeResumed(frame: Extract<Frame, { type: 'resumed' }>): void {
    if (frame.run !== this.run_ || this.offset_ === null) {
      this.counters.foreign += 1;
      this.startOver();
      return;
    }
    this.counters.resumes += 1;
    this.takeStatus(frame.status);
    this.advance(frame);
    this.setConnection('live');
  }

  private takeBars(frame: Extract<Frame, { type: 'bars' }>): void {
    if (frame.run !== this.run_ || this.offset_ === null) {
      // Between "restarted" and its snapshot, bars of the old run may still be on their way.
      this.counters.foreign += 1;
      return;
    }
    this.advance(frame);
  }

  private advance(frame: { offset: Offset; bars: Bar[] }): void {
    this.offset_ = frame.offset;
    if (frame.bars.length > 0) this.events_.bars(this.book.apply(frame.bars));
  }

  private takeStatus(status: Status): void {
    this.status_ = status;
    this.events_.status(status);
  }

  private forget(): void {
    this.offset_ = null;
    this.book.reset([]);
    this.events_.reset();
  }

  /** What we hold cannot be trusted to be whole: drop it and ask for a snapshot. */
  private startOver(): void {
    this.forget();
    this.lost();
  }

  private lost(): void {
    this.hangUp();
    const query = this.query_;
    if (!query) return;
    this.counters.reconnects += 1;
    if (this.connection_ === 'live' || this.connection_ === 'connecting') {
      this.setConnection('reconnecting');
    }
    const ceiling = Math.min(kBackoffMaxMs, kBackoffFirstMs * 2 ** this.attempt_);
    this.attempt_ += 1;
    // Half of the wait is by chance, so that many pages do not all come back in the same instant.
    const delay = ceiling / 2 + (ceiling / 2) * this.world_.random();
    this.cancelRetry_ = this.world_.after(delay, () => this.connect(this.connection_));
    if (this.attempt_ > 1) this.askWhy(query);
  }

  private askWhy(query: BarQuery): void {
    const generation = this.generation_;
    void this.world_.diagnose(query).then((diagnosis) => {
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
