// tests/browser/demo_page.test.mjs: the dashboard of `tapedeck demo` in a real browser.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import {
  assertClean,
  assertGoodEverywhere,
  barsOf,
  Demo,
  launchBrowser,
  openPage,
  skipReason,
  stateOf,
  until,
  Wire,
} from './harness.mjs';

// One minute of the market is one second here.
const kSpeed = 60;
const kFastSpeed = 100_000;

function barsPath(query) {
  return `/api/v1/bars?${new URLSearchParams(query)}`;
}

/**
 * The page's final bars are the program's, field by field, indicators included; returns how many
 * were compared.
 */
async function assertFinalBarsEqual(page, demo) {
  const { query } = await stateOf(page);
  // A late trade may correct some between the two looks.
  for (let tries = 0; ; ++tries) {
    const shown = (await barsOf(page)).filter((bar) => bar.final);
    const { bars } = await demo.get(barsPath(query));
    const stored = new Map(bars.map((bar) => [bar.ts_open, bar]));
    const others = shown.map((bar) => stored.get(bar.ts_open));
    if (isDeepStrictEqual(shown, others)) return shown.length;
    if (tries === 20) assert.deepEqual(shown, others);
    await page.waitForTimeout(100);
  }
}

async function assertAllBarsEqual(page, demo) {
  const { query } = await stateOf(page);
  // The last bars may still be on their way when the play is over.
  for (let tries = 0; ; ++tries) {
    const { bars } = await demo.get(barsPath(query));
    const shown = await barsOf(page);
    if (isDeepStrictEqual(shown, bars)) return bars;
    if (tries === 20) assert.deepEqual(shown, bars);
    await page.waitForTimeout(250);
  }
}

/** What every replay of a recording must give again; the rest tells of one run and its batches. */
function valuesOf({ offset, revision, ts_known, ...values }) {
  return values;
}

describe('demo page', { skip: skipReason, timeout: 180_000 }, () => {
  let demo;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: kSpeed });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    const end = await demo?.stop();
    if (end) assert.deepEqual(end, { code: 0, signal: null }, 'SIGTERM ends the program cleanly');
  });

  test('candles move, and a new one appears, within five seconds of opening the page', async () => {
    const { page, context, seen } = await openPage(browser, demo, { open: false });
    const opened = Date.now();
    await page.goto(demo.address);
    await until(
      page,
      () => {
        const watched = (window.watched ??= { first: null, moved: false, added: false });
        const bars = window.tapedeck?.bars() ?? [];
        if (bars.length === 0) return false;
        watched.first ??= bars;
        const then = new Map(watched.first.map((bar) => [bar.ts_open, bar]));
        for (const bar of bars) {
          const old = then.get(bar.ts_open);
          if (!old) watched.added = true;
          else if (old.volume !== bar.volume) watched.moved = true;
          if (!old) then.set(bar.ts_open, bar);
        }
        watched.first = [...then.values()];
        return watched.moved && watched.added;
      },
      null,
      5_000 - (Date.now() - opened),
    );
    await until(page, () => window.tapedeck.bars().filter((bar) => bar.final).length >= 3);
    assert.ok((await assertFinalBarsEqual(page, demo)) >= 3);
    assertClean(seen);
    await context.close();
  });

  test('says that it is a recording, of which day, from whom, under which licence', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    const label = page.locator('#label');
    await label.waitFor();
    const text = (await label.innerText()).replace(/\s+/g, ' ');
    const { play } = await demo.get('/api/v1/status');
    assert.equal(play.label, 'recorded');
    assert.match(text, /recorded/i);
    for (const said of [play.date, play.title, play.source, play.licence, `${kSpeed}x`]) {
      assert.ok(said && text.includes(said), `"${text}" says "${said}"`);
    }
    assertClean(seen);
    await context.close();
  });

  test('the token leaves the address bar, and the cookie is out of reach of scripts', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    assert.equal(page.url(), `${demo.origin}/`);
    assert.equal(await page.evaluate(() => document.cookie), '');
    const [cookie] = await context.cookies();
    assert.equal(cookie.httpOnly, true);
    assert.equal(cookie.sameSite, 'Strict');
    assertClean(seen);
    await context.close();
  });

  test('the page runs under a policy without inline script or style', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    const response = await page.reload();
    const policy = response.headers()['content-security-policy'] ?? '';
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /unsafe/);
    assertClean(seen);
    await context.close();
  });

  test('instrument, conditions, session and interval are chosen with the keyboard', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    const { instruments } = await demo.get('/api/v1/instruments');
    await until(page, () => window.tapedeck?.state().connection === 'live');
    const choose = async (group, key, expected) => {
      await page.locator(`${group} input:checked`).focus();
      await page.keyboard.press(key);
      await until(
        page,
        (wanted) => {
          const { query, connection, offset } = window.tapedeck.state();
          const same = Object.entries(wanted).every(([name, value]) => query[name] === value);
          return same && connection === 'live' && offset !== null;
        },
        expected,
      );
    };
    await choose('#watch', 'ArrowDown', { series: instruments[1].series });
    assert.match(await page.title(), new RegExp(`^${instruments[1].instrument}\\b`));
    await choose('#watch', 'ArrowUp', { series: instruments[0].series });
    await choose('#control-conditions', 'ArrowRight', { conditions: 'all' });
    await choose('#control-session', 'ArrowRight', { conditions: 'all', session: 'regular' });
    await choose('#control-session', 'ArrowLeft', { session: 'extended' });
    await until(page, () => window.tapedeck.bars().some((bar) => bar.final));
    assert.ok((await assertFinalBarsEqual(page, demo)) > 0);
    assert.match(new URL(page.url()).hash, /conditions=all/);
    await page.reload();
    await until(page, () => window.tapedeck?.state().query?.conditions === 'all');
    assertClean(seen);
    await context.close();
  });

  test('the chart is read bar by bar with the arrow keys', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    await until(page, () => window.tapedeck?.bars().length >= 3);
    const legend = page.locator('#legend');
    await page.locator('#chart').focus();
    await page.keyboard.press('Home');
    const first = await legend.innerText();
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await legend.innerText(), first);
    await until(page, () =>
      /Open .*Close .*Volume/.test(document.querySelector('#announce').textContent),
    );
    await page.keyboard.press('Escape');
    assertClean(seen);
    await context.close();
  });

  test('nothing serious for axe, and it fits from 320 to 2560 pixels', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    await until(page, () => window.tapedeck?.bars().length >= 3);
    await page.locator('#numbers summary').click();
    await assertGoodEverywhere(page, 'playing');
    await page.setViewportSize({ width: 320, height: 720 });
    const blank = await page.evaluate(
      () =>
        document.documentElement.scrollHeight -
        scrollY -
        document.querySelector('footer').getBoundingClientRect().bottom,
    );
    assert.ok(blank < 100, `${blank} blank pixels below the footer`);
    assertClean(seen);
    await context.close();
  });

  test('the theme button overrides the system, and is remembered', async () => {
    const { page, context, seen } = await openPage(browser, demo, { colorScheme: 'dark' });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await background();
    await page.getByRole('button', { name: /Theme/ }).click();
    const light = await background();
    assert.notEqual(light, dark);
    await page.reload();
    assert.equal(await background(), light);
    assertClean(seen);
    await context.close();
  });
});

describe('demo page with a cut wire', { skip: skipReason, timeout: 120_000 }, () => {
  let demo;
  let wire;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: kSpeed });
    wire = await Wire.to(demo.port);
    browser = await launchBrowser({ port: demo.port, via: wire });
  });

  after(async () => {
    await browser?.close();
    await wire?.close();
    await demo?.stop();
  });

  test('resumes where it was: no snapshot, nothing missing', async () => {
    const { page, context, seen } = await openPage(browser, demo, { open: false });
    const asked = [];
    page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => asked.push(JSON.parse(payload))),
    );
    await page.goto(demo.address);
    await until(page, () => window.tapedeck?.bars().length >= 2);
    assert.ok(wire.upgrades.length > 0, 'the browser goes through the wire');
    wire.cut();
    await until(page, () => window.tapedeck.state().connection === 'reconnecting');
    assert.match(await page.locator('#connection').innerText(), /reconnecting/);
    const held = await barsOf(page);
    const { offset, run, counters } = await stateOf(page);
    assert.ok(held.length >= 2, 'what was shown stays');
    const askedBefore = asked.length;
    // The market goes on meanwhile, by two bars at least.
    await page.waitForTimeout(2_500);
    wire.mend();
    await until(page, () => window.tapedeck.state().connection === 'live');
    const bars = asked.slice(askedBefore).find(({ channel }) => channel === 'bars');
    assert.equal(bars.resume, offset);
    assert.equal(bars.run, String(run));
    const state = await stateOf(page);
    assert.equal(state.counters.resumes, counters.resumes + 1);
    assert.equal(state.counters.snapshots, counters.snapshots);
    await until(
      page,
      (count) => window.tapedeck.bars().filter((bar) => bar.final).length >= count,
      held.length + 2,
    );
    await assertFinalBarsEqual(page, demo);
    const stored = await demo.get(barsPath(state.query));
    const shown = new Set((await barsOf(page)).map((bar) => bar.ts_open));
    const last = (await barsOf(page)).filter((bar) => bar.final).at(-1);
    for (const bar of stored.bars) {
      if (BigInt(bar.ts_open) > BigInt(last.ts_open)) continue;
      assert.ok(shown.has(bar.ts_open), `bar ${bar.ts_open} is shown`);
    }
    const unexpected = seen.errors.filter((text) => !/net::ERR_|WebSocket connection/.test(text));
    assert.deepEqual(unexpected, []);
    await context.close();
  });

  test('without a session it says what to do', async () => {
    const { page, context } = await openPage(browser, demo);
    await until(page, () => window.tapedeck?.state().connection === 'live');
    await context.clearCookies();
    wire.cut();
    wire.mend();
    await until(page, () => window.tapedeck.state().connection === 'unauthorised');
    assert.match(await page.locator('#notice').innerText(), /address that the program printed/);
    await context.close();
  });
});

describe('demo page at the end of the recording', { skip: skipReason, timeout: 120_000 }, () => {
  let demo;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: kFastSpeed });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('offers a restart, which plays the same bars again', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    const ended = () =>
      until(
        page,
        () => {
          const { status, connection } = window.tapedeck?.state() ?? {};
          return connection === 'live' && status?.play.state === 'ended';
        },
        null,
        60_000,
      );
    const settled = () => until(page, () => window.tapedeck.bars().every((bar) => bar.final));
    await ended();
    await settled();
    const first = await assertAllBarsEqual(page, demo);
    assert.ok(first.length > 100, 'a day of bars');
    const restart = page.getByRole('button', { name: 'Restart' });
    await restart.waitFor();
    assert.match(await page.locator('#label').innerText(), /end of the recording/);
    await assertGoodEverywhere(page, 'ended');

    await restart.focus();
    await page.keyboard.press('Enter');
    await until(page, () => window.tapedeck.state().run === 2);
    await ended();
    await settled();
    const second = await assertAllBarsEqual(page, demo);
    assert.deepEqual(second.map(valuesOf), first.map(valuesOf));
    assertClean(seen);
    await context.close();
  });
});

describe('the keys of the deck', { skip: skipReason, timeout: 60_000 }, () => {
  test('pause, speed and jump', async (t) => {
    const demo = await Demo.start({ speed: 60 });
    t.after(() => demo.stop());
    const browser = await launchBrowser();
    t.after(() => browser.close());
    const { page, context, seen } = await openPage(browser, demo);
    const play = async () => (await demo.get('/api/v1/status')).play;
    const played = async (what, is) => {
      for (let tries = 0; tries < 500; ++tries) {
        if (is(await play())) return;
        await page.waitForTimeout(20);
      }
      assert.fail(`not within 10 s: ${what}`);
    };
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    await played('it stands still', (now) => now.paused);
    const before = await play();
    await page.waitForTimeout(500); // at 60x half a minute of the market
    assert.equal((await play()).market_time, before.market_time);

    await page.getByLabel('Speed').selectOption('300');
    await played('another speed', (now) => now.speed === 300 && now.paused);
    const to = Number(BigInt(before.start_time) / 1_000_000_000n) + 3 * 3600;
    await page.locator('#jump').evaluate((slider, value) => {
      slider.value = String(value);
      slider.dispatchEvent(new Event('input'));
      slider.dispatchEvent(new Event('change'));
    }, to - (to % 60));
    await played('three hours later', (now) => {
      const at = Number(BigInt(now.market_time) / 1_000_000_000n);
      return now.run === 2 && at > to - 600 && at <= to;
    });
    await until(page, () => window.tapedeck.state().run === 2);
    await until(page, () => window.tapedeck.bars().length > 150);

    await page.getByRole('button', { name: 'Resume' }).click();
    await played('it goes on', (now) => !now.paused && now.speed === 300);
    await played('later trades', (now) => Number(BigInt(now.market_time) / 1_000_000_000n) > to + 60);
    assertClean(seen);
    await context.close();
  });
});
