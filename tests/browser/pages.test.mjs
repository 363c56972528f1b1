// tests/browser/pages.test.mjs: what a trader does with the pages of `tapedeck demo`, against what
// the API says.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import {
  assertClean,
  assertGoodEverywhere,
  barsOf,
  Demo,
  launchBrowser,
  openPage,
  projectPath,
  seriousFindings,
  skipReason,
  stateOf,
  until,
} from './harness.mjs';

const kSpeed = 60;
// A day of ten hours in some twenty seconds.
const kDaySpeed = 2_000;
const kMegabyte = 1_000_000;
// How far New York is behind UTC on the day that is played.
const kNewYorkMs = 4 * 3_600_000;

const number = (text) => Number(text.replaceAll(',', '').replace('−', '-'));

describe('pages', { skip: skipReason, timeout: 180_000 }, () => {
  let demo;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: kSpeed });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  /** A page that shows bars, with that fragment. */
  async function opened(fragment = '') {
    const page = await openPage(browser, demo);
    await until(page.page, () => window.tapedeck?.bars().length > 30);
    if (fragment) {
      await page.page.evaluate((hash) => {
        location.hash = hash;
      }, fragment);
    }
    return page;
  }

  test('last prices with their change, and what it is counted from', async () => {
    const { page, context, seen } = await opened();
    await until(page, () => /[▲▼].*%/.test(document.querySelector('#watch').innerText));
    const { last } = await demo.get('/api/v1/last');
    assert.ok(last.length > 1);
    const basis = await page.locator('#view-basis').innerText();
    const words = {
      previous_close: 'previous close',
      session_open: 'session open',
      first_price: 'first price',
    };
    const first = last.find(({ series }) => series.endsWith('/SPY'));
    assert.ok(basis.startsWith(`from ${words[first.basis]} `), basis);
    assert.equal(number(basis.split(' ').at(-1)), Number(first.basis_price));
    const price = number(await page.locator('#view-last').innerText());
    assert.ok(Math.abs(price - Number(first.price)) < 2, 'a price of this moment');
    const row = page.locator('.watch-row', { hasText: 'SPY' });
    const change = await row.locator('.watch-change').innerText();
    assert.match(change, /^(▲ \+|▼ −)\d+\.\d\d%$|^0\.00%$/);
    assertClean(seen);
    await context.close();
  });

  test('every indicator is the value that the API gives at that bar', async () => {
    const studies = 'sma(20) sma(50) ema(20) bollinger(20,2) vwap(session) rsi(14) macd(12,26,9)';
    const { page, context, seen } = await opened(`#studies=${encodeURIComponent(studies)}`);
    const { query } = await stateOf(page);
    const fields = new URLSearchParams({ ...query, indicators: studies.replaceAll(' ', ',') });
    const answer = await demo.get(`/api/v1/bars?${fields}`);
    assert.equal(answer.indicators.length, 11);
    const finals = answer.bars.filter(({ final }) => final);
    const [first] = answer.indicators;
    await until(page, (name) => window.tapedeck.bars().some((bar) => bar[name]), first);
    // Digit by digit in what the page holds, and then what it draws.
    const held = new Map((await barsOf(page)).map((bar) => [bar.ts_open, bar]));
    for (const key of answer.indicators) {
      await until(page, (name) => window.tapedeck.study(name).length > 30, key);
      const points = await page.evaluate((name) => window.tapedeck.study(name), key);
      const drawn = new Map(points.map(({ time, value }) => [time, value]));
      const compared = finals.filter((bar) => {
        const time = Number(BigInt(bar.ts_open) / 1_000_000_000n);
        assert.equal(held.get(bar.ts_open)[key], bar[key], `${key} at ${bar.ts_open}`);
        const value = bar[key] === null ? null : Number(bar[key]);
        assert.equal(drawn.get(time) ?? null, value, `${key} drawn at ${bar.ts_open}`);
        return value !== null;
      });
      assert.ok(compared.length > 10, `${key}: ${compared.length} values`);
    }
    await until(page, () => /SMA 20\s*\d/.test(document.querySelector('#legend-studies').innerText));
    assertClean(seen);
    await context.close();
  });

  test('indicators come with the bars over the socket, and are not asked for again', async () => {
    const { page, context, seen } = await opened('#studies=sma(20)+rsi(14)');
    await until(page, () => window.tapedeck.study('rsi(14)').some(({ value }) => value !== null));
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    const newest = () =>
      page.evaluate(() => {
        const points = window.tapedeck.study('rsi(14)');
        return { count: points.length, ...points.at(-1) };
      });
    const before = await newest();
    await until(
      page,
      ({ time }) => window.tapedeck.study('rsi(14)').at(-1).time > time,
      before,
    );
    assert.notEqual((await newest()).value, null);
    assert.deepEqual(asked.filter((url) => url.includes('indicators')), []);
    assertClean(seen);
    await context.close();
  });

  test('indicators are chosen, with lengths of one’s own, by keyboard', async () => {
    const { page, context, seen } = await opened();
    await page.locator('#menu-indicators summary').focus();
    await page.keyboard.press('Enter');
    const lengths = page.getByLabel(/^SMA, length/);
    await lengths.fill('10 30');
    await lengths.press('Enter');
    await until(page, () => window.tapedeck.study('sma(30)').length > 0);
    assert.match(decodeURIComponent(new URL(page.url()).hash), /sma\(10\)\+sma\(30\)/);
    await lengths.fill('nonsense');
    await lengths.press('Enter');
    assert.equal(await lengths.getAttribute('aria-invalid'), 'true');
    await page.getByRole('checkbox', { name: 'RSI' }).check();
    await until(page, () => window.tapedeck.study('rsi(14)').length > 0);
    assert.deepEqual(await seriousFindings(page), [], 'with the menu open');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#menu-indicators').getAttribute('open'), null);
    assertClean(seen);
    await context.close();
  });

  test('raw trades come live, with conditions by name and what they counted for', async () => {
    const { page, context, seen } = await opened();
    const first = () => page.locator('#prints-body tr').first().innerText();
    await until(page, () => document.querySelectorAll('#prints-body tr').length > 20);
    const before = await first();
    await until(
      page,
      (text) => document.querySelector('#prints-body tr').innerText !== text,
      before,
    );
    assert.match(await first(), /^\d\d:\d\d:\d\d\.\d{3}\s+[\d,.]+\s+[\d,]+/);
    const { query } = await stateOf(page);
    const { trades } = await demo.get(
      `/api/v1/trades?${new URLSearchParams({ series: query.series, limit: '2000' })}`,
    );
    const named = new Set(trades.flatMap(({ conditions }) => conditions));
    const shown = await page.locator('#prints-body .print-conditions').allInnerTexts();
    for (const name of shown.flatMap((text) => text.split(', ')).filter(Boolean)) {
      assert.ok(named.has(name), `${name} is a condition of the API`);
    }
    assertClean(seen);
    await context.close();
  });

  test('where there is no bar, the legend and the reader say why, as the API does', async () => {
    const { page, context, seen } = await opened();
    await page.locator('.watch-row', { hasText: 'AIG' }).click();
    await until(page, () => window.tapedeck.state().query.series.endsWith('/AIG'));
    await until(page, () => window.tapedeck.bars().length > 30);
    const words = {
      no_trade: 'no trade, and the feed was connected',
      unknown: 'no trade recorded; whether the feed was connected is not known',
    };
    await page.locator('#chart').focus();
    await page.keyboard.press('Home');
    // The hours before the play began have many.
    const legend = () => page.locator('#legend').innerText();
    await until(page, () => {
      const key = new KeyboardEvent('keydown', { key: 'ArrowRight' });
      document.querySelector('#chart').dispatchEvent(key);
      return document.querySelector('#legend').innerText.includes('no bar');
    });
    const [, clock, why] = /(\d\d:\d\d) to \d\d:\d\d EDT\s*no bar: (.*)/.exec(await legend());
    await until(
      page,
      (text) => document.querySelector('#announce').textContent.includes(text),
      `no bar: ${why}`,
    );
    const { empty } = await demo.get('/api/v1/bars/empty?series=lean/trade/AIG&interval=1m&time=ms');
    const told = empty.find(
      ({ start }) => new Date(start - kNewYorkMs).toISOString().slice(11, 16) === clock,
    );
    assert.equal(why, words[told.reason]);
    assertClean(seen);
    await context.close();
  });

  test('Enter on a bar lists its trades, all of them and no others', async () => {
    const { page, context, seen } = await opened();
    await page.locator('#chart').focus();
    await page.keyboard.press('End');
    for (let step = 0; step < 3; ++step) await page.keyboard.press('ArrowLeft');
    const name = /\d\d:\d\d/.exec(await page.locator('#legend').innerText())[0];
    await page.keyboard.press('Enter');
    await until(page, () => /^Trades of/.test(document.querySelector('#prints-title').innerText));
    assert.equal(await page.locator('#prints-title').innerText(), `Trades of ${name}`);
    // Until they have come, those of before are there.
    await until(
      page,
      (minute) => document.querySelector('#prints-body td')?.innerText.startsWith(minute),
      name,
    );
    const times = await page.locator('#prints-body td:first-child').allInnerTexts();
    assert.ok(times.every((time) => time.startsWith(name)), times[0]);
    const clock = ({ ts_open: opens }) =>
      new Date(Number(BigInt(opens) / 1_000_000n) - kNewYorkMs).toISOString().slice(11, 16);
    const bar = (await barsOf(page)).find((one) => clock(one) === name);
    const { trades } = await demo.get(
      `/api/v1/trades?${new URLSearchParams({
        series: (await stateOf(page)).query.series,
        start: bar.ts_open,
        end: String(BigInt(bar.ts_open) + 60_000_000_000n),
        limit: '1000',
      })}`,
    );
    assert.equal(times.length, trades.length);
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    await until(page, () => document.querySelector('#prints-title').innerText === 'Trades');
    assertClean(seen);
    await context.close();
  });

  test('a line of closes, and the bars of chosen dates', async () => {
    const { page, context, seen } = await opened('#kind=line');
    await until(page, () => document.querySelector('input[name=kind][value=line]').checked);
    await page.locator('#menu-range summary').click();
    await page.getByLabel('From').first().fill('2013-10-07');
    await page.getByLabel('To', { exact: true }).first().fill('2013-10-07');
    await until(page, () => window.tapedeck.bars().length > 0);
    assert.equal(await page.locator('#range-summary').innerText(), '2013-10-07');
    await page.getByLabel('From').first().fill('2013-10-01');
    await page.getByLabel('To', { exact: true }).first().fill('2013-10-02');
    await until(page, () => window.tapedeck.bars().length === 0);
    assert.equal(await page.locator('#chart-empty').innerText(), 'No bars of these dates.');
    await page.getByRole('button', { name: /newest bars/ }).click();
    await until(page, () => window.tapedeck.bars().length > 30);
    assertClean(seen);
    await context.close();
  });

  test('four figures and the rows they are of', async () => {
    const { page, context, seen } = await opened();
    await page.locator('#to-figures').click();
    await until(page, () => document.querySelectorAll('#figures-numbers dd').length === 4);
    await until(page, () => document.querySelectorAll('#figures-rows tr').length > 10);
    const { query } = await stateOf(page);
    const { bars } = await demo.get(`/api/v1/bars?${new URLSearchParams(query)}`);
    const priced = bars.filter(({ final, close }) => final && close !== null);
    const [price, , high, low] = (await page.locator('#figures-numbers dd').allInnerTexts()).map(
      (text) => number(text),
    );
    // The bar in the making may have moved them meanwhile.
    assert.ok(high >= Math.max(...priced.map((bar) => Number(bar.high))));
    assert.ok(low <= Math.min(...priced.map((bar) => Number(bar.low))));
    assert.ok(price <= high && price >= low);
    const row = await page.locator('#figures-rows tr').nth(3).locator('td').allInnerTexts();
    const same = bars.find(
      ({ ts_open: opens, close }) =>
        close !== null &&
        new Date(Number(BigInt(opens) / 1_000_000n) - kNewYorkMs).toISOString().slice(0, 19) ===
          row[0].replace(' ', 'T'),
    );
    assert.equal(number(row[4]), Number(same.close));
    assert.equal(number(row[5]), Number(same.volume));
    const csv = await page.locator('#figures-csv').getAttribute('href');
    const response = await context.request.get(new URL(csv, demo.origin).href);
    assert.equal(response.status(), 200);
    assert.match(response.headers()['content-type'], /csv/);
    assertClean(seen);
    await context.close();
  });

  test('the pipeline, stage by stage', async () => {
    const { page, context, seen } = await opened('#page=pipeline');
    const tape = page.locator('[data-stage=tape]');
    await until(page, () =>
      /[\d,]+ durable\/s/.test(document.querySelector('[data-stage=tape]').innerText),
    );
    const told = await demo.get('/api/v1/tape');
    const offset = /Durable offset\s*([\d,]+)/.exec(await tape.innerText())[1];
    assert.ok(number(offset) <= Number(told.durable_offset));
    const feed = await page.locator('#pipeline-feeds tr').first().innerText();
    assert.match(feed, /playing/);
    const { feeds } = await demo.get('/api/v1/feeds');
    assert.ok(feed.startsWith(feeds[0].id));
    await until(page, () => document.querySelectorAll('#pipeline-days tr').length >= 3);
    const { days } = await demo.get('/api/v1/quality/days');
    const shown = await page.locator('#pipeline-days tr').first().innerText();
    const newest = days.at(-1);
    assert.ok(shown.startsWith(`${newest.series}\t${newest.date}\t`), shown);
    assert.ok(shown.includes(`of ${newest.session_minutes}`), shown);
    assert.ok(!(await page.locator('#pipeline-gaps-card').isVisible()));
    assertClean(seen);
    await context.close();
  });

  test('SQL over the store: tables, rows as the API has them, a file, errors, by keyboard', async () => {
    const { page, context, seen } = await opened('#page=data');
    await until(page, () => document.querySelectorAll('#data-tables li').length >= 7);
    assert.match(
      await page.locator('#data-tables li', { hasText: 'bar_series' }).first().innerText(),
      /interval_ns/,
    );
    const box = page.getByLabel('One SELECT statement');
    await box.focus();
    await page.keyboard.press('Control+Enter');
    await until(page, () => /^\d+ rows\. /.test(document.querySelector('#data-note').innerText));
    const query = 'SELECT venue, instrument, NULL AS absent FROM series ORDER BY id';
    await box.fill(query);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await until(page, () => /absent/.test(document.querySelector('#data-head').innerText));
    const { rows } = await demo.get(`/api/v1/sql?${new URLSearchParams({ query })}`);
    const cells = await page.$$eval('#data-rows tr', (all) =>
      all.map((row) => [...row.cells].map(({ innerText }) => innerText)),
    );
    assert.deepEqual(cells, rows.map((row) => row.map((value) => value ?? 'NULL')));
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download as CSV' }).click(),
    ]);
    const csv = await readFile(await file.path(), 'utf8');
    assert.match(csv, /^venue,instrument,absent\nlean,/);
    await box.fill('DELETE FROM bars');
    await page.keyboard.press('Control+Enter');
    await page.locator('#data-problem').waitFor();
    assert.match(await page.locator('#data-problem').innerText(), /refused.*SELECT/);
    assert.equal(await page.locator('#data-csv').isHidden(), true);
    assert.equal(await page.locator('#data-result').isHidden(), true);
    assert.deepEqual(await seriousFindings(page), []);
    // The refusal is an answer of status 400, which the browser tells too.
    seen.errors = seen.errors.filter((text) => !/status of 400/.test(text));
    assertClean(seen);
    await context.close();
  });

  for (const name of ['figures', 'pipeline', 'data']) {
    test(`the page ${name}: nothing serious for axe, and it fits everywhere`, async () => {
      const { page, context, seen } = await opened(`#page=${name}`);
      await page.waitForTimeout(2_500);
      await assertGoodEverywhere(page, name);
      assertClean(seen);
      await context.close();
    });
  }

  test('all that can be used is reached with Tab, in the order in which it is read', async () => {
    const { page, context, seen } = await opened();
    await page.locator('#restart').waitFor();
    const reached = [];
    for (let step = 0; step < 40; ++step) {
      await page.keyboard.press('Tab');
      const one = await page.evaluate(() => {
        const { activeElement: element } = document;
        if (!element || element === document.body) return null;
        const { outlineStyle } = getComputedStyle(element.closest('label') ?? element);
        const own = getComputedStyle(element);
        return {
          name: element.id || element.name || element.textContent.trim(),
          seen: outlineStyle !== 'none' || own.outlineStyle !== 'none',
        };
      });
      if (!one) break;
      reached.push(one);
    }
    const names = reached.map(({ name }) => name);
    const order = ['skip', 'to-chart', 'to-pipeline', 'theme', 'restart', 'series', 'interval'];
    const places = [...order, 'chart', 'prints-scroll'].map((name) => names.indexOf(name));
    assert.ok(
      places.every((place, index) => place > (places[index - 1] ?? -1)),
      names.join(', '),
    );
    assert.deepEqual(
      reached.filter((one) => !one.seen),
      [],
      'what has the focus is marked',
    );
    assertClean(seen);
    await context.close();
  });
});

test('what is served is no larger than web/README.md says', { skip: skipReason }, async (t) => {
  const demo = await Demo.start({ speed: kSpeed });
  t.after(() => demo.stop());
  const readme = await readFile(join(projectPath, 'web/README.md'), 'utf8');
  const budgets = [...readme.matchAll(/^\| `([\w.]+)` \| (\d+) \| (\d+) \|$/gm)];
  assert.equal(budgets.length, 5);
  for (const [, name, whole, packed] of budgets) {
    const response = await fetch(`${demo.origin}/${name === 'index.html' ? '' : name}`, {
      headers: { Authorization: `Bearer ${demo.token}` },
    });
    assert.equal(response.status, 200, name);
    const bytes = Buffer.from(await response.arrayBuffer());
    assert.ok(bytes.length <= Number(whole) * 1_000, `${name}: ${bytes.length} bytes`);
    const { length } = gzipSync(bytes);
    assert.ok(length <= Number(packed) * 1_000, `${name}: ${length} bytes gzipped`);
  }
});

describe('a tab that stays open', { skip: skipReason, timeout: 240_000 }, () => {
  let demo;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: kDaySpeed });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('holds no more after the second day than after the first', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    const session = await context.newCDPSession(page);
    const studies = encodeURIComponent('sma(20) ema(20) bollinger(20,2) rsi(14) macd(12,26,9)');
    await page.evaluate((text) => {
      location.hash = `#studies=${text}`;
    }, studies);
    const held = async () => {
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
      return { bytes: usedSize, nodes };
    };
    // What may grow has a bound at any time of the day.
    const dayPlayed = async (run) => {
      for (const quarter of [1, 2, 3, 4]) {
        await until(
          page,
          ([wanted, part]) => {
            const play = window.tapedeck?.state().status?.play;
            if (play?.run !== wanted) return false;
            if (play.state === 'ended') return true;
            const [now, from, to] = [play.market_time, play.start_time, play.end_time].map(Number);
            return part < 4 && (now - from) / (to - from) >= part / 4;
          },
          [run, quarter],
          90_000,
        );
        const counts = await page.evaluate(() => ({
          bars: window.tapedeck.bars().length,
          drawn: window.tapedeck.study('sma(20)').length,
          trades: document.querySelectorAll('#prints-body tr').length,
          nodes: document.querySelectorAll('*').length,
        }));
        const { bars, drawn, trades, nodes } = counts;
        const text = JSON.stringify({ run, quarter, ...counts });
        assert.ok(bars <= 2_048 && drawn <= 2_048 && trades <= 200 && nodes < 6_000, text);
      }
    };
    await dayPlayed(1);
    const first = await held();
    await page.getByRole('button', { name: 'Restart' }).click();
    await dayPlayed(2);
    const second = await held();
    const text = `${(first.bytes / kMegabyte).toFixed(1)} MB, then ${(second.bytes / kMegabyte).toFixed(1)} MB`;
    assert.ok(second.bytes < 60 * kMegabyte, text);
    assert.ok(second.bytes < first.bytes + 5 * kMegabyte, text);
    assert.ok(second.nodes < 6_000 && second.nodes < first.nodes + 200, `${second.nodes} elements`);
    assertClean(seen);
    await context.close();
  });
});
