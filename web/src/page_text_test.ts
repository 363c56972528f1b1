import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EmptyTimes, type EmptyTime } from './empty_times';
import { barTexts, emptyTexts, sentenceOf } from './legend';
import { noticeText, playText, quarantineText } from './play_text';
import { quoteOf, QuoteRounds } from './quotes';
import {
  fragmentOf,
  intervalsOf,
  kDefaultView,
  nearestKept,
  queryFor,
  viewFrom,
} from './selection';
import { formatDecimal } from './format';
import { Zone } from './time';
import type { Bar, Instrument, Play } from './types';

const kPlay: Play = {
  state: 'playing',
  paused: false,
  label: 'recorded',
  date: '2013-10-07',
  title: 'SPY, IBM, AIG',
  source: 'QuantConnect Lean',
  licence: 'Apache-2.0',
  speed: 20,
  market_time: '0',
  start_time: '0',
  end_time: '0',
  zone: 'America/New_York',
  run: 1,
  error: null,
};

const kBar: Bar = {
  ts_open: '1381152600000000000',
  open: '167.42',
  high: '167.5',
  low: '167.4',
  close: '167.48',
  volume: '1234.5',
  trades: 12,
  excluded: 3,
  notional: '206700.06',
  final: true,
  revision: 0,
  offset: '7',
};

const kStyle = { zone: new Zone('America/New_York'), withSeconds: false, places: 2 };
const entry = (change: Partial<Bar> = {}) => ({ time: 1381152600, bar: { ...kBar, ...change } });

test('the label names date, source, licence, speed, and calls no made-up data recorded', () => {
  const recorded = playText(kPlay);
  assert.equal(recorded.kind, 'Recorded');
  assert.equal(recorded.what, 'Recorded market data of 2013-10-07, played at 20x: SPY, IBM, AIG.');
  assert.equal(recorded.origin, 'Source: QuantConnect Lean · Licence: Apache-2.0');
  const simulated = playText({ ...kPlay, label: 'simulated', source: '', licence: '' });
  assert.equal(simulated.kind, 'Simulated');
  assert.match(simulated.what, /No market made these prices/);
  assert.doesNotMatch(simulated.what, /[Rr]ecorded/);
  assert.equal(simulated.origin, '');
});

test('restart is offered at the end and after a failure only', () => {
  assert.equal(playText(kPlay).end, '');
  assert.match(playText({ ...kPlay, state: 'ended' }).end, /end of the recording/);
  assert.match(playText({ ...kPlay, state: 'failed', error: 'disk full' }).end, /disk full/);
});

test('notices say what to do', () => {
  assert.equal(noticeText('reconnecting', ''), '');
  assert.match(noticeText('unauthorised', ''), /Open the address/);
  assert.match(noticeText('refused', 'interval 7m'), /interval 7m/);
});

test('quarantine by reason, the most frequent first', () => {
  assert.equal(quarantineText({ total: '0', reasons: {} }), '0 refused');
  assert.equal(
    quarantineText({ total: '12', reasons: { bad_price: '2', unknown_symbol: '10' } }),
    '12 refused: 10 unknown symbol, 2 bad price',
  );
});

test('the legend shows exact values, padded alike', () => {
  const values = Object.fromEntries(
    barTexts(entry(), kStyle).map(({ name, value }) => [name, value]),
  );
  assert.deepEqual(values, {
    Time: '09:30 EDT',
    Open: '167.42',
    High: '167.50',
    Low: '167.40',
    Close: '167.48',
    Change: '+0.04%',
    Volume: '1,234.5',
    VWAP: '167.4363',
    Trades: '12',
    'Left out': '3',
  });
});

test('a bar with volume only has no prices, and says so aloud', () => {
  const bare = entry({ open: null, high: null, low: null, close: null });
  assert.match(sentenceOf(barTexts(bare, kStyle)), /Open none.*Volume 1,234\.5/);
  assert.match(sentenceOf(barTexts(entry({ final: false }), kStyle)), /09:30 EDT, live/);
  assert.match(sentenceOf(barTexts(entry({ revision: 2 }), kStyle)), /revised 2×/);
});

test('the day so far merges bars exactly', () => {
  const quote = quoteOf([
    { ...kBar, open: null, high: null, low: null, close: null },
    kBar,
    { ...kBar, open: '167.5', high: '168.001', low: '166', close: '166.7458', volume: '0.5' },
  ])!;
  assert.equal(formatDecimal(quote.open), '167.42');
  assert.equal(formatDecimal(quote.last), '166.7458');
  assert.equal(formatDecimal(quote.high), '168.001');
  assert.equal(formatDecimal(quote.low), '166');
  assert.equal(formatDecimal(quote.volume), '2,469.5');
  assert.equal(quote.trades, 36);
  assert.equal(quoteOf([]), null);
});

test('quotes are asked for in turn, bounded, only when something may have changed', async () => {
  const asked: string[] = [];
  const rounds = new QuoteRounds(
    async (query) => {
      asked.push(query.series);
      return { ok: true, value: { ...query, offset: '1', bars: [kBar] } };
    },
    () => {},
  );
  const all = { interval: '15m', conditions: 'all', session: 'extended' } as const;
  const kDay = { start: '2013-10-07' };
  rounds.setSeries(['a', 'b']);
  await rounds.round(all, kDay, 1, '10');
  await rounds.round(all, kDay, 1, '10');
  assert.deepEqual(asked, ['a', 'b']);
  await rounds.round(all, kDay, 1, '11');
  assert.equal(asked.length, 4);
  asked.length = 0;
  rounds.setSeries(Array.from({ length: 20 }, (_, index) => `s${index}`));
  await rounds.round(all, kDay, 1, '11');
  assert.equal(asked.length, 8);
  await rounds.round(all, kDay, 1, '11');
  assert.deepEqual(asked.slice(8), ['s8', 's9', 's10', 's11', 's12', 's13', 's14', 's15']);
});

test('a view that is not kept gives way to the nearest, and what was just chosen stays', () => {
  const bars = [
    { interval: '1s', conditions: 'eligible', session: 'extended', source: 'trades' },
    { interval: '1m', conditions: 'all', session: 'regular', source: 'trades' },
    { interval: '1m', conditions: 'eligible', session: 'extended', source: 'last' },
  ] as const;
  const second = { interval: '1s', conditions: 'eligible', session: 'extended' } as const;
  const minute = { interval: '1m', conditions: 'all', session: 'regular' } as const;
  assert.deepEqual(nearestKept(second, bars), second);
  assert.deepEqual(nearestKept({ ...second, interval: '1m' }, bars), minute);
  assert.deepEqual(nearestKept({ ...second, interval: '5m' }, bars), second);
  const all = { ...second, conditions: 'all' } as const;
  assert.deepEqual(nearestKept(all, bars, { conditions: 'all' }), minute);
  assert.deepEqual(nearestKept(all, []), all);
});

test('the address keeps the view, and survives nonsense', () => {
  assert.equal(fragmentOf(kDefaultView), '');
  const view = viewFrom(
    '#page=pipeline&series=lean%2Ftrade%2FIBM&interval=5m&conditions=all&kind=line' +
      '&from=2013-10-07&studies=sma(50)+macd(12,26,9)',
  );
  assert.deepEqual(view, {
    page: 'pipeline',
    series: 'lean/trade/IBM',
    interval: '5m',
    conditions: 'all',
    session: 'extended',
    kind: 'line',
    from: '2013-10-07',
    to: '',
    studies: [
      { kind: 'sma', numbers: [50] },
      { kind: 'macd', numbers: [12, 26, 9] },
    ],
  });
  assert.deepEqual(viewFrom(fragmentOf(view)), view);
  const nonsense = '#interval=7x&conditions=<script>&page=x&from=yesterday&kind=pie';
  assert.deepEqual(viewFrom(nonsense), kDefaultView);
  assert.deepEqual(viewFrom('#studies=').studies, []);
  assert.equal(queryFor(view, [])?.series, undefined);
});

test('an instrument that is gone gives way to the first', () => {
  const [spy, ibm] = ['SPY', 'IBM'].map((instrument): Instrument => ({
    series: `lean/trade/${instrument}`,
    instrument,
    venue: 'lean',
    channel: 'trade',
    calendar: 'us_equity',
    zone: 'America/New_York',
  })) as [Instrument, Instrument];
  assert.equal(queryFor(kDefaultView, []), null);
  assert.equal(queryFor({ ...kDefaultView, series: ibm.series }, [spy, ibm])?.series, ibm.series);
  assert.equal(queryFor({ ...kDefaultView, series: 'x/y/Z' }, [spy, ibm])?.series, spy.series);
});

test('intervals are those of which bars of trades are kept', () => {
  const kept = (interval: string, source: 'trades' | 'vendor' = 'trades') =>
    ({ interval, source, conditions: 'all', session: 'extended' }) as const;
  assert.deepEqual(intervalsOf([kept('1h'), kept('1s'), kept('1h'), kept('1d', 'vendor')]), ['1s', '1h']);
  assert.deepEqual(intervalsOf(undefined), ['1m', '5m', '15m', '1h']);
});

const kSecond = '000000000';

test('a time without a bar says why, and nothing that is not known', () => {
  const empty = (reason: EmptyTime['reason']): string =>
    sentenceOf(emptyTexts({ time: 1381152660, end: 1381152780, reason }, kStyle, 'regular'));
  assert.equal(
    empty('no_trade'),
    'Time 09:31 to 09:33 EDT, no bar: no trade, and the feed was connected',
  );
  assert.match(empty('closed'), /outside regular hours$/);
  assert.match(empty('unknown'), /whether the feed was connected is not known$/);
  assert.match(empty('dropped'), /no longer kept$/);
});

test('times without a bar are asked for where there are holes, and what is open again', async () => {
  const asked: string[] = [];
  let answer: { start: string; end: string; reason: EmptyTime['reason'] }[] = [];
  let shown: readonly EmptyTime[] = [];
  const query = { series: 'a/b/c', interval: '1m', conditions: 'all', session: 'regular' } as const;
  const empties = new EmptyTimes(
    async (_, { start, end }) => {
      asked.push(`${start?.slice(0, -9)} ${end?.slice(0, -9)}`);
      return { ok: true, value: { empty: answer } };
    },
    (times) => {
      shown = times;
    },
  );
  await empties.cover([0, 60, 240]);
  assert.deepEqual(asked, [], 'nobody to ask');
  empties.watch(query, {});
  await empties.cover([0, 60, 120]);
  assert.deepEqual(asked, [], 'no hole');
  answer = [{ start: `120${kSecond}`, end: `240${kSecond}`, reason: 'provisional' }];
  await empties.cover([0, 60, 240]);
  assert.deepEqual(asked, ['0 240']);
  await empties.cover([0, 60, 240]);
  assert.equal(asked.length, 1, 'it is known');
  answer = [{ start: `120${kSecond}`, end: `240${kSecond}`, reason: 'no_trade' }];
  await empties.cover([0, 60, 240, 300]);
  assert.deepEqual(asked, ['0 240', '120 300']);
  assert.deepEqual(shown, [{ time: 120, end: 240, reason: 'no_trade' }]);
  await empties.cover([0, 60, 240, 300, 360]);
  assert.equal(asked.length, 2, 'no hole since');
  answer = [{ start: `420${kSecond}`, end: `480${kSecond}`, reason: 'unknown' }];
  await empties.cover([0, 60, 240, 300, 360, 480]);
  assert.equal(asked[2], '300 480');
  assert.deepEqual(shown.map(({ time }) => time), [120, 420]);
});
