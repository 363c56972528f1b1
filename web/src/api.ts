// web/src/api.ts: the requests of the page. Each answers a value or a Failure, and none throws.

import type { Diagnosis, Socket, SocketEvents } from './live';
import type { BarQuery, BarsAnswer, Instrument } from './types';

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

export function getBars(query: BarQuery, limit?: number): Promise<Answer<BarsAnswer>> {
  const fields = new URLSearchParams({ ...query });
  if (limit !== undefined) fields.set('limit', String(limit));
  return request(`/api/v1/bars?${fields}`);
}

export function restartPlay(): Promise<Answer<{ run: number }>> {
  return request('/api/v1/play/restart', { method: 'POST' });
}

/** Asks over HTTP for what the socket would have sent. */
export async function diagnose(query: BarQuery): Promise<Diagnosis> {
  const answer = await getBars(query, 1);
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
