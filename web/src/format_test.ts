import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  axisPlaces,
  compare,
  formatDecimal,
  formatSpeed,
  parseDecimal,
  percentChange,
  ratio,
  subtract,
  type Decimal,
} from './format';

const decimal = (text: string): Decimal => parseDecimal(text)!;

test('decimals keep every digit, far beyond what a double holds', () => {
  assert.equal(
    formatDecimal('12345678901234567890.123456789'),
    '12,345,678,901,234,567,890.123456789',
  );
  assert.equal(formatDecimal('0.1'), '0.1');
  assert.equal(formatDecimal('-0.0005'), '−0.0005');
  assert.equal(formatDecimal('1000'), '1,000');
  assert.equal(formatDecimal('999'), '999');
});

test('padding adds zeros and never cuts', () => {
  assert.equal(formatDecimal('167', { minPlaces: 2 }), '167.00');
  assert.equal(formatDecimal('167.4201', { minPlaces: 2 }), '167.4201');
  assert.equal(formatDecimal('1.5', { minPlaces: 2, signed: true }), '+1.50');
  assert.equal(formatDecimal('0', { minPlaces: 2, signed: true }), '0.00');
});

test('what is not a decimal is written as it came', () => {
  assert.equal(parseDecimal('1e5'), null);
  assert.equal(parseDecimal(''), null);
  assert.equal(parseDecimal('.5'), null);
  assert.equal(formatDecimal('n/a'), 'n/a');
});

test('differences are exact across scales', () => {
  assert.equal(formatDecimal(subtract(decimal('167.42'), decimal('167.4201'))), '−0.0001');
  assert.equal(compare(decimal('1.50'), decimal('1.5')), 0);
  assert.equal(compare(decimal('1.499'), decimal('1.5')), -1);
});

test('percent is rounded half to even', () => {
  const percent = (from: string, to: string): string =>
    formatDecimal(percentChange(decimal(from), decimal(to))!, { signed: true, minPlaces: 2 });
  assert.equal(percent('100', '100.125'), '+0.12'); // 0.125: to the even 0.12
  assert.equal(percent('100', '100.135'), '+0.14'); // 0.135: to the even 0.14
  assert.equal(percent('100', '99.875'), '−0.12');
  assert.equal(percent('200', '100'), '−50.00');
  assert.equal(percentChange(decimal('0'), decimal('1')), null);
});

test('a ratio of exact sums is rounded once', () => {
  assert.equal(formatDecimal(ratio(decimal('1000.01'), decimal('3'), 4)!), '333.3367');
  assert.equal(ratio(decimal('1'), decimal('0'), 4), null);
});

test('the axis takes the places that nearly all prices need', () => {
  const cents = Array.from({ length: 90 }, (_, index) => `167.${10 + index}`);
  assert.equal(axisPlaces([...cents, '167.4201']), 2);
  assert.equal(axisPlaces(['0.00012', '0.00013']), 5);
  assert.equal(axisPlaces(['10', '11']), 2);
  assert.equal(axisPlaces([]), 2);
});

test('speeds', () => {
  assert.equal(formatSpeed(20), '20x');
  assert.equal(formatSpeed(100000), '100,000x');
  assert.equal(formatSpeed(0.5), '0.5x');
  assert.equal(formatSpeed(0), 'full speed');
});
