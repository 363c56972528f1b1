#!/usr/bin/env node
// web/mock/server.mjs: stands in for `tapedeck demo` while the page is made. Development only.
//
//   node web/mock/server.mjs demo [--port 8273] [--speed 20] [--seed 1] [--at 09:25] [--simulated]
//
// Same API, same command line, data made up by market.mjs. --at starts at that time in New York.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

import { BarBuilder, kDay, kInstruments, tradesOfDay } from './market.mjs';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8273' },
    speed: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    at: { type: 'string', default: '04:00' },
    simulated: { type: 'boolean', default: false },
    state: { type: 'string' },
    data: { type: 'string' },
  },
});

const kPushMs = 50;
const kStatusMs = 500;
const kSecond = 1_000_000_000n;
const kDist = new URL('../dist/', import.meta.url);
const kTypes = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
};
const kHeaders = {
  'Content-Security-Policy':
    "default-src 'self'; connect-src 'self'; style-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

const trades = tradesOfDay(Number(options.seed));
const speed = Number(options.speed);
const token = randomBytes(16).toString('hex');
const port = Number(options.port);
const cookie = `tapedeck_${port}=${token}`;

const [hours, minutes] = options.at.split(':').map(BigInt);
const marketStart = kDay.start + ((hours - 4n) * 3600n + minutes * 60n) * kSecond;
let run = 1;
let startedAt = null; // wall clock; the tape waits for its first client
let builders = new Map();

function marketTime() {
  if (startedAt === null) return marketStart;
  const elapsed = BigInt(Math.round((performance.now() - startedAt) * speed)) * 1_000_000n;
  const now = marketStart + elapsed;
  return now > kDay.end ? kDay.end : now;
}

/** Trades known at `now`: the index of the first that is not. */
function durable(now) {
  let [low, high] = [0, trades.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trades[middle].known <= now) low = middle + 1;
    else high = middle;
  }
  return low;
}

function status(now) {
  const events = durable(now);
  const ended = now >= kDay.end;
  const state = startedAt === null ? 'loading' : ended ? 'ended' : 'playing';
  return {
    version: '0.1.0',
    mode: 'demo',
    play: {
      state,
      label: options.simulated ? 'simulated' : 'recorded',
      date: kDay.date,
      title: 'SPY, IBM, AIG',
      source: options.simulated
        ? 'the mock server of the dashboard'
        : 'QuantConnect Lean sample data (AlgoSeek)',
      licence: 'Apache-2.0',
      speed,
      market_time: String(now),
      start_time: String(kDay.start),
      end_time: String(kDay.end),
      zone: kDay.zone,
      run,
      error: null,
    },
    tape: { durable_offset: String(events), bytes: String(events * 9) },
    feeds: [
      {
        id: 'replay',
        state,
        events: String(events),
        duplicates: '0',
        refused: String(events > 9000 ? 3 : 0),
      },
    ],
    quarantine:
      events > 9000
        ? { total: '3', reasons: { bad_price: '2', unknown_symbol: '1' } }
        : { total: '0', reasons: {} },
  };
}

const kFields = {
  series: kInstruments.map(({ series }) => series),
  interval: ['1s', '5s', '15s', '30s', '1m', '5m', '15m', '30m', '1h'],
  conditions: ['eligible', 'all'],
  session: ['extended', 'regular'],
};
const kDefaults = { interval: '1m', conditions: 'eligible', session: 'extended' };

/** The query of a request, or the message of what is wrong with it. */
function queryOf(fields) {
  const query = {};
  for (const [name, allowed] of Object.entries(kFields)) {
    query[name] = fields.get(name) ?? kDefaults[name];
    if (!allowed.includes(query[name])) return { problem: `${name} '${query[name]}' is not known` };
  }
  return { query };
}

function answerFor(query, now) {
  const key = JSON.stringify(query);
  let builder = builders.get(key);
  if (!builder) builders.set(key, (builder = new BarBuilder(query)));
  const end = durable(now);
  builder.advance(trades, end, now);
  return { ...query, offset: String(end), bars: builder.all() };
}

function send(response, code, body, headers = {}) {
  response.writeHead(code, { 'Content-Type': 'application/json', ...kHeaders, ...headers });
  response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
}

const fail = (response, code, name, message) =>
  send(response, code, { error: { code: name, message } });
const isSignedIn = (request) =>
  (request.headers.cookie ?? '').split('; ').includes(cookie) ||
  request.headers.authorization === `Bearer ${token}`;
const isOwnOrigin = (request) => request.headers.origin === `http://${request.headers.host}`;

async function serve(request, response) {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/' && url.searchParams.get('token') === token) {
    const headers = { Location: '/', 'Set-Cookie': `${cookie}; HttpOnly; SameSite=Strict; Path=/` };
    return send(response, 303, '', headers);
  }
  if (!isSignedIn(request)) {
    return fail(response, 401, 'unauthorised', 'open the address that the program printed');
  }
  const fields = url.searchParams;
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /api/v1/status':
      return send(response, 200, status(marketTime()));
    case 'GET /api/v1/instruments':
      return send(response, 200, { instruments: kInstruments });
    case 'GET /api/v1/bars': {
      const { query, problem } = queryOf(fields);
      if (problem) return fail(response, 400, 'invalid_argument', problem);
      const answer = answerFor(query, marketTime());
      const limit = Number(fields.get('limit') ?? Infinity);
      return send(response, 200, { ...answer, bars: answer.bars.slice(-limit) });
    }
    case 'POST /api/v1/play/restart':
      if (!isOwnOrigin(request)) return fail(response, 403, 'forbidden', 'the origin is another');
      restart();
      return send(response, 202, { run });
    default:
      return serveFile(url.pathname === '/' ? '/index.html' : url.pathname, response);
  }
}

async function serveFile(path, response) {
  const name = /^\/([a-z]+\.[a-z]+)$/.exec(path)?.[1];
  const bytes = name && (await readFile(new URL(name, kDist)).catch(() => null));
  if (!bytes) return fail(response, 404, 'not_found', `there is no ${path}`);
  return send(response, 200, bytes, { 'Content-Type': kTypes[name.split('.')[1]] });
}

const clients = new Set();

function restart() {
  run += 1;
  startedAt = performance.now();
  builders = new Map();
  for (const client of clients) {
    client.send({ type: 'restarted', run });
    client.begin();
  }
}

class Client {
  constructor(socket, query) {
    this.socket = socket;
    this.query = query;
  }

  begin(resume) {
    const now = marketTime();
    this.builder = new BarBuilder(this.query);
    this.builder.advance(trades, durable(now), now);
    this.builder.takeChanged();
    const bars = this.builder.all();
    const head = { run, offset: String(this.builder.next), status: status(now) };
    if (resume === undefined) {
      this.send({ type: 'snapshot', ...this.query, ...head, bars });
    } else {
      // A bar may have become final without a new event, so the one that holds the offset goes too.
      const since = bars.filter((bar) => BigInt(bar.offset) >= BigInt(resume) || !bar.final);
      const last = bars.filter((bar) => BigInt(bar.offset) < BigInt(resume)).slice(-2);
      this.send({ type: 'resumed', ...head, bars: [...new Set([...last, ...since])] });
    }
    this.statusAt = performance.now();
  }

  push() {
    const now = marketTime();
    this.builder.advance(trades, durable(now), now);
    const bars = this.builder.takeChanged();
    if (bars.length > 0) this.send({ type: 'bars', run, offset: String(this.builder.next), bars });
    if (performance.now() - this.statusAt >= kStatusMs) {
      this.statusAt = performance.now();
      this.send({ type: 'status', status: status(now) });
    }
  }

  send(frame) {
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(frame));
  }
}

const sockets = new WebSocketServer({ noServer: true });
const server = createServer((request, response) => {
  serve(request, response).catch((error) => fail(response, 500, 'internal', String(error)));
});
server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://localhost');
  const { query } = queryOf(url.searchParams);
  if (url.pathname !== '/api/v1/live' || !query || !isSignedIn(request) || !isOwnOrigin(request)) {
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    startedAt ??= performance.now();
    const client = new Client(webSocket, query);
    const resumes = url.searchParams.get('run') === String(run);
    client.begin(resumes ? (url.searchParams.get('resume') ?? undefined) : undefined);
    clients.add(client);
    webSocket.on('close', () => clients.delete(client));
  });
});
setInterval(() => {
  for (const client of clients) client.push();
}, kPushMs);

server.listen(port, '127.0.0.1', () => {
  console.log(`tapedeck demo (mock): http://127.0.0.1:${port}/?token=${token}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
