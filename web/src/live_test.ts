import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BarBook, studyAt } from './bars';
import { LiveClient, type Diagnosis, type Socket, type SocketEvents } from './live';
import type { Bar, BarQuery, LastRow, Status, TradeRow } from './types';

const kQuery: BarQuery = {
  series: 'lean/trade/SPY',
  interval: '1m',
  conditions: 'eligible',
  session: 'extended',
};

class FakeSocket implements Socket {
  closed = false;
  readonly sent: Record<string, string>[] = [];

  constructor(
    readonly path: string,
    private readonly events_: SocketEvents,
  ) {}

  /** The newest subscription of that channel. */
  asked(channel = 'bars'): Record<string, string> {
    const found = this.sent.filter((one) => one.type === 'subscribe' && one.channel === channel);
    return found[found.length - 1] ?? {};
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, string>);
  }

  close(): void {
    this.closed = true;
  }

  open(): this {
    this.events_.opened();
    return this;
  }

  /** A frame of the newest subscription of `channel`, unless it says of which. */
  get(frame: unknown, channel = 'bars'): void {
    const named =
      typeof frame === 'string' ? frame : JSON.stringify({ id: this.asked(channel).id, ...frame! });
    this.events_.message(named);
  }

  drop(): void {
    this.events_.closed();
  }
}

/** A world whose clock and sockets move only when the test says so. */
class FakeWorld {
  sockets: FakeSocket[] = [];
  chance = 0;
  diagnosis: Diagnosis = { kind: 'unreachable' };
  log: string[] = [];
  private now_ = 0;
  private timers_: { at: number; callback: () => void }[] = [];

  readonly client = new LiveClient(
    {
      open: (path, events) => {
        const socket = new FakeSocket(path, events);
        this.sockets.push(socket);
        return socket;
      },
      after: (delayMs, callback) => {
        const timer = { at: this.now_ + delayMs, callback };
        this.timers_.push(timer);
        return () => {
          this.timers_ = this.timers_.filter((other) => other !== timer);
        };
      },
      random: () => this.chance,
      diagnose: async () => this.diagnosis,
    },
    {
      connection: () => this.log.push(this.client.connection()),
      reset: () => this.log.push(`reset ${this.client.book.entries().length}`),
      bars: ({ changed, inserted }) =>
        this.log.push(`bars ${changed.length}${inserted ? ' inserted' : ''}`),
      last: (rows, whole) => this.log.push(`last ${rows.length}${whole ? ' whole' : ''}`),
      trades: (rows, whole) => this.log.push(`trades ${rows.length}${whole ? ' whole' : ''}`),
      status: () => {},
    },
  );

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }

  pass(ms: number): void {
    const end = this.now_ + ms;
    for (;;) {
      const due = this.timers_.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.now_ = due.at;
      this.timers_ = this.timers_.filter((timer) => timer !== due);
      due.callback();
    }
    this.now_ = end;
  }

  /** Cuts the newest socket; milliseconds until the next one is opened. */
  dropAndWait(): number {
    const before = this.sockets.length;
    this.socket.drop();
    let waited = 0;
    for (; this.sockets.length === before; waited += 25) this.pass(25);
    return waited;
  }

  /** Waits for the next socket and opens it. */
  reconnect(ms = 250): void {
    this.pass(ms);
    this.socket.open();
  }

  closes(): (string | null)[] {
    return this.client.book.entries().map(({ bar }) => bar.close);
  }
}

function statusOf(run: number): Status {
  return {
    version: '0.1.0',
    mode: 'demo',
    play: {
      state: 'playing',
      paused: false,
      label: 'recorded',
      date: '2013-10-07',
      title: 'SPY',
      source: 'somewhere',
      licence: 'Apache-2.0',
      speed: 20,
      market_time: '1381152590000000000',
      start_time: '1381132800000000000',
      end_time: '1381190400000000000',
      zone: 'America/New_York',
      run,
      error: null,
    },
    tape: {
      durable_offset: '100',
      bytes: '900',
      state: 'writing',
      message: '',
      free_bytes: '5000',
      days_until_full: null,
      damaged: [],
    },
    feeds: [],
    quarantine: { total: '0', reasons: {} },
  };
}

function bar(minute: number, close: string | null, more: Partial<Bar> = {}): Bar {
  return {
    ts_open: String(1381152540000000000n + BigInt(minute) * 60_000_000_000n),
    open: close,
    high: close,
    low: close,
    close,
    volume: '100',
    trades: 1,
    excluded: 0,
    notional: '16742',
    final: true,
    revision: 0,
    offset: String(minute),
    ...more,
  };
}

const snapshot = (run: number, offset: string, bars: Bar[]) => ({
  type: 'snapshot',
  ...kQuery,
  run,
  offset,
  bars,
});
const delta = (run: number, offset: string, bars: Bar[]) => ({ type: 'bars', run, offset, bars });
const resumed = (run: number, offset: string, bars: Bar[]) => ({
  type: 'resumed',
  run,
  offset,
  bars,
});

function startedWorld(): FakeWorld {
  const world = new FakeWorld();
  world.client.start();
  world.client.watch(kQuery);
  world.socket.open();
  return world;
}

function liveWorld(): FakeWorld {
  const world = startedWorld();
  world.socket.get(snapshot(1, '10', [bar(0, '1'), bar(1, '2', { final: false })]));
  world.log = [];
  return world;
}

test('asks for a snapshot first, without a place to resume from', () => {
  const world = startedWorld();
  assert.equal(world.client.connection(), 'connecting');
  assert.equal(world.socket.path, 'api/v1/live?every=50ms');
  assert.equal(world.socket.asked().series, 'lean/trade/SPY');
  assert.equal(world.socket.asked().resume, undefined);
  assert.equal(world.socket.asked().run, undefined);
  world.socket.get(snapshot(1, '10', [bar(0, '1')]));
  assert.equal(world.client.connection(), 'live');
  assert.deepEqual(world.closes(), ['1']);
});

test('a changed bar replaces the one with the same ts_open', () => {
  const world = liveWorld();
  world.socket.get(delta(1, '11', [bar(1, '2.5', { final: false })]));
  world.socket.get(delta(1, '12', [bar(1, '2.75'), bar(2, '3', { final: false })]));
  assert.deepEqual(world.closes(), ['1', '2.75', '3']);
  assert.equal(world.client.book.entries()[1]!.bar.final, true);
  assert.equal(world.client.offset(), '12');
  assert.deepEqual(world.log, ['bars 1', 'bars 2']);
});

test('a late trade revises an old bar in its place', () => {
  const world = liveWorld();
  world.socket.get(delta(1, '11', [bar(0, '1.5', { revision: 1 })]));
  assert.deepEqual(world.closes(), ['1.5', '2']);
  assert.equal(world.client.book.entries()[0]!.bar.revision, 1);
});

test('bars that come out of order take their place in time', () => {
  const world = liveWorld();
  world.socket.get(delta(1, '11', [bar(5, '6'), bar(3, '4'), bar(4, '5'), bar(-1, '0')]));
  assert.deepEqual(world.closes(), ['0', '1', '2', '4', '5', '6']);
  assert.deepEqual(world.log, ['bars 4 inserted']);
});

test('a bar without a price is kept', () => {
  const world = liveWorld();
  world.socket.get(delta(1, '11', [bar(2, null)]));
  assert.deepEqual(world.closes(), ['1', '2', null]);
});

test('resumes from run and offset after a cut, and keeps what it had', () => {
  const world = liveWorld();
  world.socket.get(delta(1, '11', [bar(2, '3')]));
  world.socket.drop();
  assert.equal(world.client.connection(), 'reconnecting');
  world.reconnect();
  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.asked().run, '1');
  assert.equal(world.socket.asked().resume, '11');
  world.socket.get(resumed(1, '15', [bar(2, '3.5'), bar(3, '4')]));
  assert.equal(world.client.connection(), 'live');
  assert.deepEqual(world.closes(), ['1', '2', '3.5', '4']);
  assert.equal(world.client.offset(), '15');
  assert.equal(world.client.counters.resumes, 1);
  assert.equal(world.client.counters.snapshots, 1);
});

test('takes a snapshot in place of a resume when the run is over', () => {
  const world = liveWorld();
  world.socket.drop();
  world.reconnect();
  world.socket.get(snapshot(2, '3', [bar(0, '9')]));
  assert.deepEqual(world.closes(), ['9']);
  assert.equal(world.client.run(), 2);
  assert.equal(world.client.offset(), '3');
});

test('a resume of another run is not believed', () => {
  const world = liveWorld();
  world.socket.drop();
  world.reconnect();
  world.socket.get(resumed(7, '15', [bar(3, '4')]));
  assert.deepEqual(world.closes(), []);
  world.reconnect(500);
  assert.equal(world.socket.asked().resume, undefined);
});

test('restarted drops the bars and waits for the snapshot of the new run', () => {
  const world = liveWorld();
  world.socket.get({ type: 'restarted', run: 2 });
  assert.deepEqual(world.closes(), []);
  world.socket.get(delta(1, '12', [bar(9, '9')])); // still on its way from the old run
  world.socket.get(delta(2, '1', [bar(0, '8')])); // not before the snapshot
  assert.deepEqual(world.closes(), []);
  assert.equal(world.client.counters.foreign, 2);
  world.socket.get(snapshot(2, '1', [bar(0, '1')]));
  world.socket.get(delta(2, '2', [bar(1, '2')]));
  assert.deepEqual(world.closes(), ['1', '2']);
});

test('a cut between restarted and its snapshot asks for a snapshot', () => {
  const world = liveWorld();
  world.socket.get({ type: 'restarted', run: 2 });
  world.socket.drop();
  world.reconnect();
  assert.equal(world.socket.asked().resume, undefined);
});

test('another query asks for its own snapshot and hears no more of the old one', () => {
  const world = liveWorld();
  const old = world.socket.asked().id;
  world.client.watch({ ...kQuery, series: 'lean/trade/IBM' });
  assert.deepEqual(world.socket.sent.slice(-2).map(({ type }) => type), ['unsubscribe', 'subscribe']);
  assert.equal(world.socket.sent.at(-2)!.id, old);
  assert.deepEqual(world.closes(), []);
  assert.equal(world.socket.asked().series, 'lean/trade/IBM');
  assert.equal(world.socket.asked().resume, undefined);
  world.socket.get({ ...delta(1, '13', [bar(4, '5')]), id: old });
  world.socket.get({ type: 'unsubscribed', id: old });
  world.socket.get(snapshot(1, '12', [bar(0, '180')]));
  assert.deepEqual(world.closes(), ['180']);
  assert.equal(world.client.connection(), 'live');
  assert.equal(world.sockets.length, 1);
  assert.equal(world.client.counters.foreign, 1);
});

const withStudy = (minute: number, close: string, value: string | null): Bar =>
  ({ ...bar(minute, close), 'sma(2)': value }) as Bar;

test('the same bars stay until they come with other indicators', () => {
  const world = liveWorld();
  const before = world.socket.asked();
  assert.equal(before.indicators, undefined);
  world.client.watch(kQuery, ['sma(2)', 'macd(12,26,9)']);
  assert.equal(world.socket.asked().indicators, 'sma(2),macd(12,26,9)');
  assert.deepEqual(world.closes(), ['1', '2']);
  assert.deepEqual(world.log, []);
  world.socket.get({
    ...snapshot(1, '11', [withStudy(0, '1', null), withStudy(1, '3', '2')]),
    indicators: ['sma(2)'],
  });
  assert.deepEqual(world.log, ['reset 2']);
  const values = world.client.book.entries().map((entry) => studyAt(entry.bar, 'sma(2)'));
  assert.deepEqual(values, [null, '2']);
  const asked = world.socket.sent.length;
  world.client.watch({ ...kQuery }, ['sma(2)', 'macd(12,26,9)']);
  assert.equal(world.socket.sent.length, asked, 'nothing else was asked for');
});

test('an indicator that is no number costs the connection', () => {
  const world = liveWorld();
  const frame = delta(1, '11', [withStudy(1, '3', 'none')]);
  world.socket.get({ ...frame, indicators: ['sma(2)'] });
  assert.equal(world.client.counters.malformed, 1);
});

test('of the oldest bars no more are kept than make sense', () => {
  const book = new BarBook(3);
  book.reset([1, 2, 3, 4, 5, 6].map((minute) => bar(minute, '1')));
  assert.equal(book.entries().length, 6);
  assert.equal(book.times().length, 6);
  assert.equal(book.apply([bar(7, '1')]).inserted, true, 'all is to be drawn again');
  assert.equal(book.entries().length, 3);
  assert.deepEqual(book.times(), book.entries().map(({ time }) => time));
  assert.equal(book.apply([bar(8, '1')]).inserted, false);
  assert.equal(book.entries().length, 4);
});

test('hears no more of an old socket', () => {
  const world = liveWorld();
  const old = world.socket;
  old.drop();
  world.reconnect();
  world.socket.get(resumed(1, '12', []));
  old.get(delta(1, '13', [bar(4, '5')]));
  old.drop();
  assert.deepEqual(world.closes(), ['1', '2']);
  assert.equal(world.client.connection(), 'live');
});

const kLast: LastRow = {
  series: 'lean/trade/SPY',
  price: '167.42',
  size: '100',
  ts_event: '1381152600000000000',
  change: '-0.5',
  change_percent: '-0.3',
  basis: 'previous_close',
  basis_price: '167.92',
  basis_time: '1380902400000000000',
  offset: '9',
};
const kTrade: TradeRow = {
  ts_event: '1381152600000000000',
  ts_recv: '1381152600000000000',
  price: '167.42',
  size: '100',
  side: 'unknown',
  conditions: ['OddLot'],
  eligible: false,
  updates: ['volume'],
  session: 'regular',
  origin: 'file',
  seq: '1',
  position: '0',
  offset: '9',
};

test('last prices and trades come over the same socket, each resumed where it was', () => {
  const world = liveWorld();
  world.client.watchLast();
  world.client.watchTrades('lean/trade/SPY');
  world.log = [];
  world.socket.get({ type: 'snapshot', run: 1, offset: '10', last: [kLast] }, 'last');
  world.socket.get({ type: 'last', run: 1, offset: '12', last: [kLast] }, 'last');
  const trades = { run: 1, skipped: false, trades: [kTrade] };
  world.socket.get({ type: 'snapshot', offset: '10', ...trades }, 'trades');
  world.socket.get({ type: 'trades', offset: '14', ...trades }, 'trades');
  assert.deepEqual(world.log, ['last 1 whole', 'last 1', 'trades 1 whole', 'trades 1']);
  world.socket.drop();
  world.reconnect();
  assert.deepEqual(
    ['bars', 'last', 'trades'].map((channel) => world.socket.asked(channel).resume),
    ['10', '12', '14'],
  );
  world.log = [];
  world.socket.get({ type: 'resumed', offset: '20', ...trades, skipped: true }, 'trades');
  assert.deepEqual(world.log, ['trades 1 whole'], 'with a hole in it, it replaces what there was');
  world.client.watchTrades(null);
  assert.equal(world.socket.sent.at(-1)!.type, 'unsubscribe');
});

test('a subscription that is refused is asked for again, and the socket stays', () => {
  const world = startedWorld();
  const error = { code: 'not_found', message: "series 'x' is not known" };
  world.socket.get({ type: 'error', error });
  assert.equal(world.client.connection(), 'refused');
  assert.equal(world.client.refusal(), "series 'x' is not known");
  const before = world.socket.sent.length;
  world.pass(2_000);
  assert.equal(world.socket.sent.length, before + 1);
  world.socket.get(snapshot(1, '10', [bar(0, '1')]));
  assert.equal(world.client.connection(), 'live');
  assert.equal(world.sockets.length, 1);
});

test('silence counts as a cut', () => {
  const world = liveWorld();
  world.pass(4_000);
  world.socket.get({ type: 'status', status: statusOf(1) });
  world.pass(4_000);
  assert.equal(world.client.connection(), 'live');
  world.pass(1_100);
  assert.equal(world.client.connection(), 'reconnecting');
  assert.equal(world.sockets[0]!.closed, true);
});

test('the wait doubles up to a limit, half of it by chance', () => {
  const world = liveWorld();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; ++attempt) waits.push(world.dropAndWait());
  assert.deepEqual(waits, [125, 250, 500, 1000, 2000, 4000, 4000, 4000]);
  world.chance = 0.999;
  world.socket.drop();
  world.pass(7_900);
  const before = world.sockets.length;
  world.pass(100);
  assert.equal(world.sockets.length, before + 1);
});

test('a connection that fails right after its snapshot does not spin', () => {
  const world = liveWorld();
  const waits: number[] = [];
  for (let round = 0; round < 6; ++round) {
    waits.push(world.dropAndWait());
    world.socket.open().get(snapshot(1, '10', []));
  }
  assert.deepEqual(waits, [125, 250, 500, 1000, 2000, 4000]);
  world.socket.get({ type: 'status', status: statusOf(1) });
  assert.equal(world.dropAndWait(), 125);
});

test('what cannot be read costs the connection, and then a snapshot', () => {
  for (const bad of [
    '{',
    '"text"',
    '{"type":"bars","id":"bars-1","run":1,"offset":"x","bars":[]}',
    '{"type":"last","id":"bars-1","run":1,"offset":"1","bars":[]}',
    '{"type":"news"}',
  ]) {
    const world = liveWorld();
    world.socket.get(bad);
    assert.equal(world.client.connection(), 'reconnecting', bad);
    assert.equal(world.client.counters.malformed, 1);
    world.reconnect();
    assert.equal(world.socket.asked().resume, undefined);
  }
});

test('says why it cannot connect, and comes back by itself', async () => {
  const world = startedWorld();
  world.diagnosis = { kind: 'refused', message: 'too many requests' };
  world.socket.drop();
  world.pass(250);
  world.socket.drop();
  await Promise.resolve();
  assert.equal(world.client.connection(), 'refused');
  assert.equal(world.client.refusal(), 'too many requests');
  world.diagnosis = { kind: 'unauthorised' };
  world.pass(500);
  world.socket.drop();
  await Promise.resolve();
  assert.equal(world.client.connection(), 'unauthorised');
  world.reconnect(1_000);
  world.socket.get(snapshot(1, '10', []));
  assert.equal(world.client.connection(), 'live');
});

test('tries at once when told to', () => {
  const world = liveWorld();
  world.socket.drop();
  world.client.retryNow();
  assert.equal(world.sockets.length, 2);
  world.client.retryNow(); // already trying
  assert.equal(world.sockets.length, 2);
});
