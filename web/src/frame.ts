// web/src/frame.ts: text of the live socket to a typed frame. Nothing unchecked goes further.

import type { Bar, Frame, Status } from './types';

const kWhole = /^-?\d{1,19}$/;
const kOffset = /^\d{1,20}$/;
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
  const head = isRun(value.run) && isOffset(value.offset) && areBars(value.bars);
  switch (value.type) {
    case 'snapshot':
    case 'resumed':
      return head && isStatus(value.status) ? (value as unknown as Frame) : null;
    case 'bars':
      return head ? (value as unknown as Frame) : null;
    case 'status':
      return isStatus(value.status) ? (value as unknown as Frame) : null;
    case 'restarted':
      return isRun(value.run) ? (value as unknown as Frame) : null;
    default:
      return null;
  }
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

function areBars(value: unknown): value is Bar[] {
  return Array.isArray(value) && value.every(isBar);
}

function isBar(value: unknown): value is Bar {
  return (
    isFields(value) &&
    isMatch(kWhole, value.ts_open) &&
    [value.open, value.high, value.low, value.close].every(
      (price) => price === null || isMatch(kDecimal, price),
    ) &&
    isMatch(kDecimal, value.volume) &&
    isMatch(kDecimal, value.notional) &&
    typeof value.trades === 'number' &&
    typeof value.excluded === 'number' &&
    typeof value.final === 'boolean' &&
    typeof value.revision === 'number'
  );
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
