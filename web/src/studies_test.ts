import assert from 'node:assert/strict';
import { test } from 'node:test';

import { routesOf } from './routes';
import { extendedRuns, RegularHours } from './sessions';
import {
  defaultStudies,
  linesOf,
  nameOf,
  parseStudies,
  standardStudy,
  studiesOfText,
  studiesText,
} from './studies';
import type { Bar, BarQuery } from './types';

const kQuery: BarQuery = {
  series: 'lean/trade/SPY',
  interval: '1m',
  conditions: 'eligible',
  session: 'extended',
};

test('studies have the names by which the API knows them', () => {
  assert.equal(studiesText(defaultStudies()), 'sma(20) ema(20)');
  assert.equal(nameOf(standardStudy('vwap')), 'vwap(session)');
  assert.equal(nameOf(standardStudy('bollinger')), 'bollinger(20,2)');
  assert.deepEqual(
    linesOf([standardStudy('macd'), standardStudy('rsi')]).map(({ key }) => key),
    ['macd(12,26,9).histogram', 'macd(12,26,9).macd', 'macd(12,26,9).signal', 'rsi(14)'],
  );
});

test('an address brings only studies that can be, each once', () => {
  assert.equal(studiesText(parseStudies('sma(20) sma(20) ema(50)')), 'sma(20) ema(50)');
  assert.deepEqual(parseStudies('sma(0) sma(2.5) sma(99999) rsi macd(12,26) evil(1) vwap(3) ema(session)'), []);
  assert.deepEqual(parseStudies('vwap(session)'), [{ kind: 'vwap', numbers: [] }]);
});

test('lengths as a person writes them', () => {
  const lengths = studiesOfText('sma', '20, 50 200')!.map(({ numbers }) => numbers[0]);
  assert.deepEqual(lengths, [20, 50, 200]);
  assert.equal(studiesOfText('sma', '1 2 3 4'), null);
  assert.equal(studiesOfText('sma', ''), null);
  assert.equal(studiesOfText('sma', 'twenty'), null);
  assert.deepEqual(studiesOfText('bollinger', '20 2.5'), [
    { kind: 'bollinger', numbers: [20, 2.5] },
  ]);
  assert.equal(studiesOfText('macd', '12 26'), null);
});

test('the second of a kind differs in its dashes', () => {
  const dashes = linesOf(studiesOfText('sma', '20 50 200')!).map(({ dash }) => dash);
  assert.deepEqual(dashes, ['solid', 'dashed', 'dotted']);
});

test('hours outside the regular session are runs of neighbours', () => {
  const sessionOf = (time: number) => (time >= 100 && time < 200 ? 'regular' : 'extended');
  const times = [50, 99, 100, 199, 200, 1099];
  assert.deepEqual(extendedRuns(times.length, -5, 99, (at) => sessionOf(times[at]!)), [
    [0, 1],
    [4, 5],
  ]);
  assert.deepEqual(extendedRuns(times.length, 1, 4, (at) => sessionOf(times[at]!)), [
    [1, 1],
    [4, 4],
  ]);
});

test('a bar is of regular hours when their own series has it, and unknown while it is new', async () => {
  const asked: (number | undefined)[] = [];
  let regular = [120];
  const hours = new RegularHours(
    async (query, range) => {
      assert.equal(query.session, 'regular');
      asked.push(range.limit);
      const bars = regular.map((time) => ({ ts_open: `${time}000000000` }) as Bar);
      return { ok: true, value: { ...query, offset: '1', bars } };
    },
    () => {},
  );
  const all = (times: number[]) => times.map(hours.sessionOf);
  assert.deepEqual(all([60]), ['unknown']);
  hours.watch(kQuery, {});
  await hours.cover([60, 120, 180]);
  assert.deepEqual(all([60, 120, 180]), ['extended', 'regular', 'unknown']);
  await hours.cover([60, 120, 180]);
  assert.deepEqual(asked, [undefined], 'asked once while there is no newer bar');
  regular = [120, 180];
  await hours.cover([60, 120, 180, 240]);
  assert.deepEqual(asked, [undefined, 3]);
  assert.deepEqual(all([60, 180, 240]), ['extended', 'regular', 'unknown']);
  hours.watch(null, {});
  assert.deepEqual(all([60, 120]), ['unknown', 'unknown']);
});

test('what the program offers is read from its description', () => {
  const routes = routesOf(`openapi: 3.1.0
paths:
  /api/v1/bars:
    get:
      parameters:
        - $ref: "#/components/parameters/Series"
        - name: indicators
          in: query
  /api/v1/play/pause:
    post:
      summary: x
components:
  schemas:
    get:
`);
  assert.deepEqual(
    [...routes],
    ['GET /api/v1/bars', 'GET /api/v1/bars?indicators', 'POST /api/v1/play/pause'],
  );
});
