// tests/browser/tls.test.mjs: the dashboard over HTTPS and WSS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import {
  assertClean,
  freePort,
  launchBrowser,
  openPage,
  Program,
  skipReason,
  until,
} from './harness.mjs';

const kSpy = fileURLToPath(
  new URL('../../demo/2013-10-07/spy/20131007_trade.zip', import.meta.url),
);

test('the page over TLS', { skip: skipReason, timeout: 120_000 }, async (t) => {
  const port = await freePort();
  const program = await Program.start(async (folder) => {
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
        .concat(['-days', '1', '-subj', '/CN=deck', '-addext', 'subjectAltName=IP:127.0.0.1'])
        .concat(['-out', join(folder, 'deck.pem'), '-keyout', join(folder, 'deck.key')]),
      { stdio: 'ignore' },
    );
    await writeFile(
      join(folder, 'pipeline.toml'),
      `[tape]\ndir = "tape"\n[store]\ndir = "store"\n[[feed]]\nid = "us"\nvenue = "lean"\n` +
        `files = [${JSON.stringify(kSpy)}]\nspeed = 600\n[[bars]]\ninterval = "1m"\n` +
        `[api]\nlisten = "127.0.0.1:${port}"\n` +
        `tls_certificate = "deck.pem"\ntls_key = "deck.key"\n`,
    );
    return ['run', 'pipeline.toml'];
  });
  t.after(() => program.stop());
  assert.match(program.address, new RegExp(`^https://127\\.0\\.0\\.1:${port}/`));
  const browser = await launchBrowser();
  t.after(() => browser.close());

  const { page, context, seen } = await openPage(browser, program, {
    open: false,
    ignoreHTTPSErrors: true,
  });
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  await page.goto(program.address);
  await until(page, () => (window.tapedeck?.bars() ?? []).length > 0);
  const count = await page.evaluate(() => window.tapedeck.bars().length);
  await until(page, (before) => window.tapedeck.bars().length > before, count);
  assert.ok(sockets.length > 0 && sockets.every((url) => url.startsWith(`wss://127.0.0.1:${port}/`)));
  const [cookie] = await context.cookies();
  assert.equal(cookie.secure, true);
  assert.equal(cookie.httpOnly, true);
  assertClean(seen);
});
