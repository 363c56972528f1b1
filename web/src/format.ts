// web/src/format.ts: exact decimals to text that a person reads. No value passes through a double.

/** `mantissa` / 10^`scale`. */
export interface Decimal {
  mantissa: bigint;
  scale: number;
}

const kDecimal = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Null when `text` is not a plain decimal. */
export function parseDecimal(text: string): Decimal | null {
  const match = kDecimal.exec(text);
  if (!match) return null;
  const fraction = match[3] ?? '';
  const magnitude = BigInt(match[2] + fraction);
  return { mantissa: match[1] ? -magnitude : magnitude, scale: fraction.length };
}

function rescale(value: Decimal, scale: number): bigint {
  return value.mantissa * 10n ** BigInt(scale - value.scale);
}

export function subtract(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(left.scale, right.scale);
  return { mantissa: rescale(left, scale) - rescale(right, scale), scale };
}

/** (to - from) / from in percent with `places` places, half to even. Null when `from` is zero. */
export function percentChange(from: Decimal, to: Decimal, places = 2): Decimal | null {
  const scale = Math.max(from.scale, to.scale);
  const base = rescale(from, scale);
  if (base === 0n) return null;
  const change = (rescale(to, scale) - base) * 100n * 10n ** BigInt(places);
  return { mantissa: divideHalfEven(change, base), scale: places };
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n;
  const top = numerator < 0n ? -numerator : numerator;
  const bottom = denominator < 0n ? -denominator : denominator;
  let quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  if (twice > bottom || (twice === bottom && quotient % 2n === 1n)) quotient += 1n;
  return negative ? -quotient : quotient;
}

/** left + right, exactly. */
export function add(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(left.scale, right.scale);
  return { mantissa: rescale(left, scale) + rescale(right, scale), scale };
}

/** Negative, zero or positive as left is less than, equal to or greater than right. */
export function compare(left: Decimal, right: Decimal): number {
  const { mantissa } = subtract(left, right);
  return mantissa < 0n ? -1 : mantissa > 0n ? 1 : 0;
}

export interface DecimalStyle {
  /** Pads with zeros up to this many places; never cuts any. */
  minPlaces?: number;
  /** Writes + before a positive value. */
  signed?: boolean;
}

/** Grouped by thousands, with a real minus sign: -1234.5 becomes −1,234.5. */
export function formatDecimal(value: Decimal | string, style: DecimalStyle = {}): string {
  const decimal = typeof value === 'string' ? parseDecimal(value) : value;
  if (!decimal) return String(value);
  const negative = decimal.mantissa < 0n;
  const digits = (negative ? -decimal.mantissa : decimal.mantissa)
    .toString()
    .padStart(decimal.scale + 1, '0');
  const whole = digits.slice(0, digits.length - decimal.scale);
  const fraction = digits
    .slice(digits.length - decimal.scale)
    .replace(/0+$/, '')
    .padEnd(style.minPlaces ?? 0, '0');
  const sign = negative ? '−' : style.signed && decimal.mantissa > 0n ? '+' : '';
  return sign + group(whole) + (fraction ? `.${fraction}` : '');
}

function group(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

export function formatCount(value: number | string): string {
  return formatDecimal(String(value));
}

/**
 * Places for a price axis: the fewest, two at least, that write 95 % of `prices` in full. An axis
 * with the four places of one rare print would be hard to read; the legend shows every digit.
 */
export function axisPlaces(prices: readonly string[]): number {
  const counts: number[] = [];
  for (const price of prices) {
    const places = parseDecimal(price)?.scale ?? 0;
    counts[places] = (counts[places] ?? 0) + 1;
  }
  let left = prices.length;
  for (let places = 0; places < counts.length; ++places) {
    left -= counts[places] ?? 0;
    if (left <= prices.length * 0.05) return Math.max(places, 2);
  }
  return 2;
}

/** 20 becomes 20x. */
export function formatSpeed(speed: number): string {
  if (!Number.isFinite(speed) || speed <= 0) return 'full speed';
  return `${formatDecimal(String(Math.round(speed * 100) / 100))}x`;
}

/** numerator / denominator with `places` places, half to even: an average price, for instance. */
export function ratio(numerator: Decimal, denominator: Decimal, places: number): Decimal | null {
  if (denominator.mantissa === 0n) return null;
  const scale = Math.max(numerator.scale, denominator.scale);
  const scaled = rescale(numerator, scale) * 10n ** BigInt(places);
  return { mantissa: divideHalfEven(scaled, rescale(denominator, scale)), scale: places };
}
