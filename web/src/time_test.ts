import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tickWeight } from './axis';
import { intervalSeconds, roundTimes, secondsOf, Zone } from './time';

const utc = (text: string): number => Date.parse(`${text}Z`) / 1000;

test('nanoseconds become seconds without passing through a double', () => {
  assert.equal(secondsOf('1381152540000000000'), 1381152540);
  // As a double this is ...541000000000, one second later.
  assert.equal(secondsOf('1381152540999999999'), 1381152540);
  assert.equal(secondsOf('-1'), -1);
  assert.equal(secondsOf('0'), 0);
});

test('intervals', () => {
  assert.deepEqual(['1s', '30s', '15m', '1h'].map(intervalSeconds), [1, 30, 900, 3600]);
});

test('the clock of New York in summer and winter', () => {
  const zone = new Zone('America/New_York');
  assert.equal(zone.clock(utc('2013-10-07T13:30:00')), '09:30');
  assert.equal(zone.abbreviation(utc('2013-10-07T13:30:00')), 'EDT');
  assert.equal(zone.clock(utc('2013-12-09T14:30:05'), true), '09:30:05');
  assert.equal(zone.abbreviation(utc('2013-12-09T14:30:00')), 'EST');
  assert.equal(zone.date(utc('2013-10-08T01:00:00')), '2013-10-07');
  assert.equal(zone.day(utc('2013-10-08T01:00:00')), 'Mon 7 Oct');
});

test('the hour that an autumn night has twice, and the one that a spring night lacks', () => {
  const zone = new Zone('America/New_York');
  assert.equal(zone.clock(utc('2013-11-03T05:59:59'), true), '01:59:59'); // EDT
  assert.equal(zone.clock(utc('2013-11-03T06:00:00'), true), '01:00:00'); // EST
  assert.equal(zone.clock(utc('2013-03-10T06:59:59'), true), '01:59:59');
  assert.equal(zone.clock(utc('2013-03-10T07:00:00'), true), '03:00:00');
});

test('a zone with a quarter of an hour, and one that nobody knows', () => {
  assert.equal(new Zone('Asia/Kathmandu').clock(utc('2024-01-01T00:00:00')), '05:45');
  const unknown = new Zone('Mars/Olympus_Mons');
  assert.equal(unknown.name, 'UTC');
  assert.equal(unknown.clock(utc('2024-01-01T12:00:00')), '12:00');
});

test('round times lie inside the range, at most as many as asked for', () => {
  const zone = new Zone('America/New_York');
  const [start, end] = [utc('2013-10-07T08:00:00'), utc('2013-10-08T00:00:00')];
  const hours = roundTimes(start, end, zone, 18).map((time) => zone.clock(time));
  assert.deepEqual([hours[0], hours[hours.length - 1], hours.length], ['05:00', '19:00', 15]);
  const few = roundTimes(start, end, zone, 6).map((time) => zone.clock(time));
  assert.deepEqual(few, ['06:00', '09:00', '12:00', '15:00', '18:00']);
  assert.deepEqual(roundTimes(start, start, zone, 6), []);
});

test('round times stay round when the clock changes inside the range', () => {
  const zone = new Zone('America/New_York');
  const [start, end] = [utc('2013-11-03T02:30:00'), utc('2013-11-03T14:30:00')];
  for (const time of roundTimes(start, end, zone, 20)) assert.match(zone.clock(time), /:00$/);
});

test('marks weigh by the local clock: midnight in New York, not in Greenwich', () => {
  const zone = new Zone('America/New_York');
  const weight = (now: string, before: string): number =>
    tickWeight(zone.localSeconds(utc(now)), zone.localSeconds(utc(before)));
  const [minute, hour, day] = [20, 30, 50];
  assert.equal(weight('2013-10-07T13:31:00', '2013-10-07T13:30:00'), minute);
  assert.equal(weight('2013-10-07T14:00:00', '2013-10-07T13:59:00'), hour);
  assert.equal(weight('2013-10-08T04:00:00', '2013-10-08T03:59:00'), day);
  assert.notEqual(weight('2013-10-08T00:00:00', '2013-10-07T23:59:00'), day);
});
