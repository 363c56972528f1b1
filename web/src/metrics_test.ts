import assert from 'node:assert/strict';
import { test } from 'node:test';

import { figuresOf } from './figures_page';
import { between, parseMetrics, quantile, Rates } from './metrics';
import { stageOf } from './pipeline_page';
import { countedText, printTexts } from './prints';
import { rangeText } from './range';
import { statusItems } from './status_line';
import { nextDate, Zone } from './time';
import type { Bar, LastRow, Status, TradeRow } from './types';
import { basisOfAll, basisText, changeText, directionOf } from './watch';

const kText = `# HELP tapedeck_feed_frames Frames
# TYPE tapedeck_feed_frames counter
tapedeck_feed_frames_total{feed="us",result="ok"} 12
tapedeck_feed_frames_total{feed="us",result="refused"} 3
# TYPE tapedeck_net_connections gauge
tapedeck_net_connections 4
# TYPE tapedeck_tape_append_seconds histogram
tapedeck_tape_append_seconds_bucket{le="0.001"} 50
tapedeck_tape_append_seconds_bucket{le="0.01"} 99
tapedeck_tape_append_seconds_bucket{le="+Inf"} 100
tapedeck_tape_append_seconds_sum 0.3
tapedeck_tape_append_seconds_count 100
# EOF
`;

test('metrics are read with their labels, and belong to a stage', () => {
  const samples = parseMetrics(kText);
  assert.deepEqual(
    samples.map(({ name, labels, kind, value }) => [name, labels, kind, value]),
    [
      ['feed_frames', 'feed=us, result=ok', 'counter', 12],
      ['feed_frames', 'feed=us, result=refused', 'counter', 3],
      ['net_connections', '', 'gauge', 4],
      ['tape_append_seconds', '', 'histogram', 100],
    ],
  );
  assert.deepEqual(samples.map(stageOf), ['feeds', 'feeds', 'api', 'tape']);
  const queue = { name: 'pipeline_queue_bytes', labels: 'queue=store', kind: 'gauge', value: 0 };
  assert.equal(stageOf(queue as never), 'store');
  assert.equal(stageOf({ ...queue, labels: '' } as never), null);
  const stages = ['venue', 'received', 'durable', 'bar', 'pushed'].map((stage) =>
    stageOf({ ...queue, name: 'stage_seconds', labels: `stage=${stage}` } as never),
  );
  assert.deepEqual(stages, ['feeds', 'feeds', 'tape', 'windows', 'api']);
});

test('a quantile is the bound that holds that share', () => {
  const { buckets } = parseMetrics(kText).find(({ kind }) => kind === 'histogram')!;
  assert.equal(quantile(buckets!, 0.5), 0.001);
  assert.equal(quantile(buckets!, 0.99), 0.01);
  assert.equal(quantile(buckets!, 0.999), Infinity);
  assert.equal(quantile(between(buckets, buckets!), 0.5), null, 'nothing came since');
});

test('a rate is over the last readings, and a count that falls begins anew', () => {
  const rates = new Rates(4);
  assert.equal(rates.rate('x'), null);
  [0, 10, 30, 60, 100].forEach((value, at) => rates.add('x', at, value));
  assert.equal(rates.rate('x', 1), 40);
  assert.equal(rates.rate('x', 99), 30, 'only four readings are kept');
  assert.deepEqual(rates.line('x'), [20, 30, 40]);
  rates.add('x', 5, 1);
  assert.equal(rates.rate('x'), null);
  rates.add('x', 7, 5);
  assert.equal(rates.rate('x'), 2);
});

const kLast: LastRow = {
  series: 'lean/trade/SPY',
  price: '167.42',
  size: '100',
  ts_event: '1381152600000000000',
  change: '-0.5',
  change_percent: '-0.297761791',
  basis: 'previous_close',
  basis_price: '167.92',
  basis_time: '1380902400000000000',
  offset: '9',
};

test('a change says its direction by sign and arrow, and what it is counted from', () => {
  assert.equal(changeText(kLast), '▼ −0.50 (−0.30%)');
  assert.equal(directionOf(kLast), 'down');
  assert.equal(basisText(kLast), 'from previous close 167.92');
  const up = { ...kLast, change: '1', change_percent: '0.6', basis: 'first_price' } as const;
  assert.equal(changeText(up), '▲ +1.00 (+0.60%)');
  assert.equal(basisOfAll([kLast, up]), 'Change since previous close, or first price.');
  const none = { ...kLast, change: null, change_percent: null, basis: null };
  assert.equal(changeText(none), '');
  assert.equal(basisText(none), '');
});

test('a trade says to the millisecond when, and what it counted for', () => {
  const trade = {
    ts_event: '1381152600123456789',
    price: '167.4',
    size: '1200',
    conditions: ['OddLot', 'FormT'],
    updates: ['volume'],
  } as unknown as TradeRow;
  assert.deepEqual(printTexts(trade, new Zone('America/New_York'), 2), [
    '09:30:00.123',
    '167.40',
    '1,200',
    'OddLot, FormT',
    'volume only',
  ]);
  assert.equal(countedText([]), 'no');
  assert.equal(countedText(['open_close', 'high_low', 'volume']), 'yes');
  assert.equal(countedText(['high_low', 'volume']), 'high/low, volume');
});

const bar = (open: string | null, high: string | null, low: string | null, close: string | null) =>
  ({ ts_open: '0', open, high, low, close, volume: '1', trades: 1, excluded: 0 }) as Bar;

test('the four figures are exact, and the change is that of the last bar', () => {
  const bars = [
    bar('10', '12.5', '9.25', '11'),
    bar('11', '11.5', '10', '10.5'),
    bar(null, null, null, null),
  ];
  assert.deepEqual(
    figuresOf(bars, 2).map(({ value }) => value),
    ['10.50', '▼ −0.50 (−4.55%)', '12.50', '9.25'],
  );
  assert.deepEqual(
    figuresOf([], 2).map(({ value }) => value),
    ['–', '–', '–', '–'],
  );
});

test('dates', () => {
  assert.equal(nextDate('2013-10-31'), '2013-11-01');
  assert.equal(rangeText({ from: '', to: '' }), 'Live');
  assert.equal(rangeText({ from: '2013-10-07', to: '2013-10-07' }), '2013-10-07');
  assert.equal(rangeText({ from: '', to: '2013-10-07' }), 'up to 2013-10-07');
});

test('the status line says what is wrong', () => {
  const status = {
    feeds: [{ id: 'us', state: 'failed', events: '1', duplicates: '0', refused: '0' }],
    tape: {
      durable_offset: '1234',
      bytes: '5000',
      state: 'disk_full',
      message: 'make room',
      damaged: [],
    },
    quarantine: { total: '0', reasons: {} },
  } as unknown as Status;
  const items = statusItems(status, { lag: '0.4 s', finals: 10, whole: 9 });
  const item = (name: string) => items.find((one) => one.name === name)!;
  assert.equal(item('Feed us').alarm, true);
  assert.equal(item('Lag').value, '0.4 s');
  assert.deepEqual([item('Coverage').value, item('Coverage').alarm], ['9 of 10', true]);
  assert.equal(item('Durable').value, '1,234');
  assert.deepEqual([item('Tape').value, item('Tape').hint], ['disk full', 'make room']);
  const quiet = statusItems(status, { lag: '', finals: 0, whole: 0 });
  assert.equal(quiet.some(({ name }) => name === 'Lag' || name === 'Coverage'), false);
});
