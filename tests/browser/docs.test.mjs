// tests/browser/docs.test.mjs: the documents that the program serves at /docs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  assertClean,
  assertGoodEverywhere,
  Demo,
  launchBrowser,
  openPage,
  seriousFindings,
  skipReason,
} from './harness.mjs';

describe('documents', { skip: skipReason, timeout: 180_000 }, () => {
  let demo;
  let browser;

  before(async () => {
    demo = await Demo.start({ speed: 60 });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('every page is there without a token, and every link leads to its heading', async () => {
    const { page, context, seen } = await openPage(browser, demo, { open: false });
    await page.goto(`${demo.origin}/docs`);
    const waiting = [page.url()];
    assert.equal(waiting[0], `${demo.origin}/docs/`);
    const read = new Set();
    while (waiting.length > 0) {
      const address = waiting.pop();
      const path = address.split('#')[0];
      if (read.has(path)) continue;
      read.add(path);
      const response = await page.goto(path);
      assert.equal(response.status(), 200, path);
      assert.deepEqual(await seriousFindings(page), [], path);
      const links = await page.$$eval('a', (all) => all.map(({ href }) => href));
      for (const link of links.filter((one) => one.startsWith(`${demo.origin}/docs/`))) {
        waiting.push(link);
      }
      const lost = await page.$$eval('a[href^="#"]', (all) =>
        all.map(({ hash }) => hash).filter((hash) => !document.getElementById(hash.slice(1))),
      );
      assert.deepEqual(lost, [], path);
    }
    assert.ok(read.size >= 6, [...read].join(' '));
    assertClean(seen);
    await context.close();
  });

  test('they fit everywhere, and are as light or dark as the dashboard', async () => {
    const { page, context, seen } = await openPage(browser, demo);
    await page.locator('#theme').click();
    await page.locator('#theme').click();
    await page.locator('.pages').getByRole('link', { name: 'Docs' }).click();
    await page.getByRole('heading', { name: 'Documents', exact: true }).waitFor();
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark');
    await page.evaluate(() => localStorage.clear());
    for (const path of ['', 'reference/config.html', 'reference/api.html', 'glossary.html']) {
      await page.goto(`${demo.origin}/docs/${path}`);
      const name = `docs-${path.replace(/.*\/|\.html/g, '') || 'index'}`;
      await assertGoodEverywhere(page, name);
      await page.setViewportSize({ width: 320, height: 720 });
      const cut = await page.$$eval('.scroll', (all) =>
        all
          .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
          .map(({ ariaLabel }) => ariaLabel),
      );
      assert.deepEqual(cut, [], 'tables are read without scrolling sideways');
    }
    assertClean(seen);
    await context.close();
  });

  test('a document is read with the keyboard alone', async () => {
    const { page, context, seen } = await openPage(browser, demo, { open: false });
    await page.goto(`${demo.origin}/docs/`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the text');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
    assertClean(seen);
    await context.close();
  });
});
