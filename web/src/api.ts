// web/src/api.ts: the requests of the page. Each answers a value or a Failure, and none throws.
// Addresses are relative to the page, which may stand below a path of its own.

import type { Diagnosis, Socket, SocketEvents } from './live';
import { routesOf, type Route } from './routes';
import type {
  BarQuery,
  BarsAnswer,
  Completeness,
  EmptyAnswer,
  InstrumentsAnswer,
  Nanoseconds,
  Quality,
  SqlAnswer,
  Status,
  TradesAnswer,
} from './types';

export interface Failure {
  /** HTTP status, or 0 when no answer came. */
  status: number;
  message: string;
}

export type Answer<Value> = { ok: true; value: Value } | { ok: false; failure: Failure };

const kTimeoutMs = 8_000;

async function request<Value>(path: string, init: RequestInit = {}): Promise<Answer<Value>> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), kTimeoutMs);
  try {
    const response = await fetch(path, { ...init, signal: abort.signal });
    const body: unknown = await response.json().catch(() => null);
    if (response.ok && body !== null) return { ok: true, value: body as Value };
    const said = (body as { error?: { message?: unknown } } | null)?.error?.message;
    const message = typeof said === 'string' ? said : `the server answered ${response.status}`;
    return { ok: false, failure: { status: response.status, message } };
  } catch {
    return { ok: false, failure: { status: 0, message: 'the server does not answer' } };
  } finally {
    clearTimeout(timer);
  }
}

/** The series that there are, and which bars are kept of each. */
export function getInstruments(): Promise<Answer<InstrumentsAnswer>> {
  return request('api/v1/instruments');
}

/** Whether one may only look. */
export async function isViewer(): Promise<boolean> {
  const answer = await request<{ role: string }>('api/v1/session');
  return answer.ok && answer.value.role === 'viewer';
}

/** A part of a series: from `start` on, before `end`. Each is an instant as the API takes it: a
 * date, its midnight on the clocks of `tz`; or nanoseconds. */
export interface BarRange {
  start?: string;
  end?: string;
  tz?: string;
  limit?: number;
}

function fieldsOf(query: BarQuery, range: BarRange): URLSearchParams {
  const fields = new URLSearchParams({ ...query });
  for (const [name, value] of Object.entries(range)) fields.set(name, String(value));
  return fields;
}

/** Each bar with these indicators, "sma(20)": see studyAt(). */
export function getBars(
  query: BarQuery,
  range: BarRange = {},
  studies: readonly string[] = [],
): Promise<Answer<BarsAnswer>> {
  const fields = fieldsOf(query, range);
  if (studies.length > 0) fields.set('indicators', studies.join(','));
  return request(`api/v1/bars?${fields}`);
}

/** One SELECT over the tables of the store. */
export function select(statement: string, limit: number): Promise<Answer<SqlAnswer>> {
  return request(`api/v1/sql?limit=${limit}`, { method: 'POST', body: statement });
}

/** Why there is no bar where none is. */
export function getEmpty(query: BarQuery, range: BarRange): Promise<Answer<EmptyAnswer>> {
  return request(`api/v1/bars/empty?${fieldsOf(query, range)}`);
}

/** The newest trades from `start` on and before `end`, the newest first. */
export function getTrades(
  series: string,
  start: Nanoseconds,
  end: Nanoseconds,
): Promise<Answer<TradesAnswer>> {
  const fields = new URLSearchParams({ series, start, end, limit: '1000' });
  return request(`api/v1/trades?${fields}`);
}

/** How complete the tape is: the newest days, gaps, outages and changes of a venue's format. */
export async function getCompleteness(): Promise<Answer<Completeness>> {
  const [days, gaps, outages, drift] = await Promise.all([
    request<Completeness>('api/v1/quality/days?limit=60'),
    request<Completeness>('api/v1/quality/gaps?limit=60&time=iso'),
    request<Completeness>('api/v1/quality/outages?limit=60&time=iso'),
    request<Completeness>('api/v1/quality/drift?limit=60&time=iso'),
  ]);
  if (!days.ok) return days;
  if (!gaps.ok) return gaps;
  if (!outages.ok) return outages;
  if (!drift.ok) return drift;
  return {
    ok: true,
    value: {
      ...days.value,
      gaps: gaps.value.gaps,
      outages: outages.value.outages,
      drift: drift.value.drift,
    },
  };
}

export function getQuality(): Promise<Answer<Quality>> {
  return request('api/v1/quality');
}

/** Of how many events, over all partitions, the results are stored. */
export async function getStored(): Promise<Answer<bigint>> {
  const query = 'SELECT applied FROM checkpoint';
  const answer = await request<{ rows: string[][] }>(
    `api/v1/sql?${new URLSearchParams({ query })}`,
  );
  if (!answer.ok) return answer;
  return { ok: true, value: answer.value.rows.reduce((sum, [one]) => sum + BigInt(one!), 0n) };
}

export async function getMetrics(): Promise<Answer<string>> {
  try {
    const response = await fetch('metrics', { signal: AbortSignal.timeout(kTimeoutMs) });
    if (response.ok) return { ok: true, value: await response.text() };
    const message = `the server answered ${response.status}`;
    return { ok: false, failure: { status: response.status, message } };
  } catch {
    return { ok: false, failure: { status: 0, message: 'the server does not answer' } };
  }
}

export type PlayOrder = 'pause' | 'resume' | 'restart' | 'speed' | 'jump';

export function orderPlay(
  order: PlayOrder,
  fields: Record<string, string> = {},
): Promise<Answer<unknown>> {
  const query = new URLSearchParams(fields).toString();
  return request(`api/v1/play/${order}${query && '?'}${query}`, { method: 'POST' });
}

/** What this program can be asked. Empty when it does not say. */
export async function getRoutes(): Promise<Set<Route>> {
  try {
    const response = await fetch('api/v1/openapi.yaml');
    return response.ok ? routesOf(await response.text()) : new Set();
  } catch {
    return new Set(); // asked again with the instruments
  }
}

export function getStatus(): Promise<Answer<Status>> {
  return request('api/v1/status');
}

/** Asks over HTTP, which tells why. */
export async function diagnose(): Promise<Diagnosis> {
  const answer = await getStatus();
  if (answer.ok) return { kind: 'reachable' };
  const { status, message } = answer.failure;
  if (status === 401 || status === 403) return { kind: 'unauthorised' };
  if (status >= 400 && status < 500) return { kind: 'refused', message };
  return { kind: 'unreachable' };
}

export function openSocket(path: string, events: SocketEvents): Socket {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  socket.onopen = () => events.opened();
  socket.onmessage = (event) => events.message(String(event.data));
  socket.onclose = () => events.closed();
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(),
  };
}
