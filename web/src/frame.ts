// web/src/frame.ts: text of the live socket to a typed frame. Nothing unchecked goes further.

import type { Frame, Status } from './types';

const kWhole = /^-?\d{1,19}$/;
const kOffset = /^\d{1,20}$/;
const kReal = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/;
const kDecimal = /^-?\d+(\.\d+)?$/;

type Fields = Record<string, unknown>;

/** Null for text that is no frame, or a frame with fields missing or of the wrong kind. */
export function parseFrame(text: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isFields(value)) return null;
  const head = typeof value.id === 'string' && isRun(value.run);
  switch (value.type) {
    case 'snapshot':
    case 'resumed':
      return head && isData(value) ? (value as unknown as Frame) : null;
    case 'bars':
    case 'last':
    case 'trades':
      return head && isData(value) && value.type in value ? (value as unknown as Frame) : null;
    case 'status':
      return isStatus(value.status) ? (value as unknown as Frame) : null;
    case 'restarted':
      return head ? (value as unknown as Frame) : null;
    case 'unsubscribed':
      return typeof value.id === 'string' ? (value as unknown as Frame) : null;
    case 'error':
      return isFields(value.error) && typeof value.error.message === 'string'
        ? (value as unknown as Frame)
        : null;
    default:
      return null;
  }
}

function isData(value: Fields): boolean {
  const columns = value.indicators ?? [];
  if (!areAll(columns, (name) => typeof name === 'string')) return false;
  const isWhole = (bar: unknown): boolean =>
    isBar(bar) && (columns as string[]).every((name) => isStudy((bar as Fields)[name]));
  return (
    isOffset(value.offset) &&
    (areAll(value.bars, isWhole) || areAll(value.last, isLast) || areAll(value.trades, isTrade))
  );
}

function areAll(values: unknown, isOne: (value: unknown) => boolean): boolean {
  return Array.isArray(values) && values.every(isOne);
}

export function isStatus(value: unknown): value is Status {
  if (!isFields(value) || !isFields(value.play) || !isFields(value.tape)) return false;
  const { play, tape, quarantine } = value;
  return (
    isRun(play.run) &&
    typeof play.zone === 'string' &&
    typeof play.speed === 'number' &&
    [play.market_time, play.start_time, play.end_time].every((time) => isMatch(kWhole, time)) &&
    isOffset(tape.durable_offset) &&
    Array.isArray(value.feeds) &&
    isFields(quarantine) &&
    isFields(quarantine.reasons)
  );
}

function isBar(value: unknown): boolean {
  return (
    isFields(value) &&
    isMatch(kWhole, value.ts_open) &&
    [value.open, value.high, value.low, value.close].every(isPrice) &&
    isMatch(kDecimal, value.volume) &&
    isMatch(kDecimal, value.notional) &&
    typeof value.trades === 'number' &&
    typeof value.excluded === 'number' &&
    typeof value.final === 'boolean' &&
    typeof value.revision === 'number'
  );
}

function isLast(value: unknown): boolean {
  return (
    isFields(value) &&
    typeof value.series === 'string' &&
    [value.price, value.change, value.change_percent, value.basis_price].every(isPrice)
  );
}

function isTrade(value: unknown): boolean {
  return (
    isFields(value) &&
    isMatch(kWhole, value.ts_event) &&
    isMatch(kDecimal, value.price) &&
    isMatch(kDecimal, value.size) &&
    Array.isArray(value.conditions) &&
    Array.isArray(value.updates) &&
    isOffset(value.offset)
  );
}

function isPrice(value: unknown): boolean {
  return value === null || isMatch(kDecimal, value);
}

function isStudy(value: unknown): boolean {
  return value === null || isMatch(kReal, value);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRun(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function isOffset(value: unknown): value is string {
  return isMatch(kOffset, value);
}

function isMatch(pattern: RegExp, value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}
