// web/src/api.ts: the requests of the page. Each answers a value or a Failure, and none throws.

import type { Diagnosis, Socket, SocketEvents } from './live';
import { routesOf, type Route } from './routes';
import type { StudyAnswer } from './study_values';
import type { StudyPoint } from './chart';
import { secondsOf } from './time';
import type { BarQuery, BarsAnswer, DecimalText, Instrument, Nanoseconds } from './types';

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

export async function getInstruments(): Promise<Answer<Instrument[]>> {
  const answer = await request<{ instruments: Instrument[] }>('/api/v1/instruments');
  return answer.ok ? { ok: true, value: answer.value.instruments } : answer;
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

export function getBars(query: BarQuery, range: BarRange = {}): Promise<Answer<BarsAnswer>> {
  return request(`/api/v1/bars?${fieldsOf(query, range)}`);
}

/** The values of indicators at each bar, by "sma(20)" or "macd(12,26,9).signal". */
export async function getStudies(
  query: BarQuery,
  names: readonly string[],
  range: BarRange,
): Promise<Answer<StudyAnswer>> {
  const fields = fieldsOf(query, range);
  fields.set('indicators', names.join(','));
  const answer = await request<StudyBars>(`/api/v1/bars?${fields}`);
  if (!answer.ok) return answer;
  const { bars, indicators } = answer.value;
  const values = indicators.map((column): [string, StudyPoint[]] => [
    column,
    bars.map((bar) => ({ time: secondsOf(bar.ts_open), text: bar[column] ?? null })),
  ]);
  return { ok: true, value: new Map(values) };
}

interface StudyBars {
  indicators: string[];
  bars: (Record<string, DecimalText | null> & { ts_open: Nanoseconds })[];
}

export type PlayOrder = 'pause' | 'resume' | 'restart' | 'speed' | 'jump';

export function orderPlay(
  order: PlayOrder,
  fields: Record<string, string> = {},
): Promise<Answer<unknown>> {
  const query = new URLSearchParams(fields).toString();
  return request(`/api/v1/play/${order}${query && '?'}${query}`, { method: 'POST' });
}

/** What this program can be asked. Empty when it does not say. */
export async function getRoutes(): Promise<Set<Route>> {
  try {
    const response = await fetch('/api/v1/openapi.yaml');
    return response.ok ? routesOf(await response.text()) : new Set();
  } catch {
    return new Set(); // asked again with the instruments
  }
}

/** Asks over HTTP for what the socket would have sent. */
export async function diagnose(query: BarQuery): Promise<Diagnosis> {
  const answer = await getBars(query, { limit: 1 });
  if (answer.ok) return { kind: 'reachable' };
  const { status, message } = answer.failure;
  if (status === 401 || status === 403) return { kind: 'unauthorised' };
  if (status >= 400 && status < 500) return { kind: 'refused', message };
  return { kind: 'unreachable' };
}

export function openSocket(path: string, events: SocketEvents): Socket {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  socket.onmessage = (event) => events.message(String(event.data));
  socket.onclose = () => events.closed();
  return { close: () => socket.close() };
}
