// tests/browser/proxy.test.mjs: the dashboard below a path of another site, behind a reverse proxy
// that has its own name.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import {
  assertClean,
  freePort,
  launchBrowser,
  openPage,
  Program,
  projectPath,
  skipReason,
  stateOf,
  until,
} from './harness.mjs';

const kName = 'market.example.org';
const kPath = '/tapedeck';

/** Hands everything below the path on as it came, and says who asked. */
class Proxy {
  static async before(programPort, port) {
    const proxy = new Proxy();
    /** Paths that were asked for. */
    proxy.asked = [];
    proxy.sockets = new Set();
    const forwarded = ({ headers, socket }) => ({
      ...headers,
      'x-forwarded-for': socket.remoteAddress,
      'x-forwarded-host': headers.host,
      'x-forwarded-proto': 'http',
      host: `127.0.0.1:${programPort}`,
    });
    const isOurs = ({ url }) => url === kPath || url.startsWith(`${kPath}/`);
    proxy.server = createServer((asked, answer) => {
      proxy.asked.push(asked.url);
      if (!isOurs(asked)) {
        answer.writeHead(404, { 'content-type': 'text/plain' }).end('another site\n');
        return;
      }
      const on = request(
        { port: programPort, method: asked.method, path: asked.url, headers: forwarded(asked) },
        (said) => {
          answer.writeHead(said.statusCode, said.rawHeaders);
          said.pipe(answer);
        },
      );
      on.on('error', () => answer.destroy());
      asked.pipe(on);
    });
    proxy.server.on('connection', (socket) => {
      proxy.sockets.add(socket);
      socket.on('close', () => proxy.sockets.delete(socket));
    });
    proxy.server.on('upgrade', (asked, near, head) => {
      proxy.asked.push(asked.url);
      if (!isOurs(asked)) return near.destroy();
      const far = connect(programPort, '127.0.0.1', () => {
        const lines = Object.entries(forwarded(asked)).map(([name, value]) => `${name}: ${value}`);
        far.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
        far.write(head);
        far.pipe(near).pipe(far);
      });
      far.on('error', () => near.destroy());
      near.on('error', () => far.destroy());
      near.on('close', () => far.destroy());
    });
    proxy.server.listen(port, '127.0.0.1');
    await new Promise((resolve) => proxy.server.once('listening', resolve));
    return proxy;
  }

  async close() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('the page behind a proxy, below a path', { skip: skipReason, timeout: 120_000 }, () => {
  let program;
  let proxy;
  let browser;

  before(async () => {
    const port = await freePort();
    program = await Program.start(async (folder) => {
      const day = join(projectPath, 'demo/2013-10-07');
      const file = join(folder, 'pipeline.toml');
      await writeFile(
        file,
        `[tape]
dir = "tape"
[[feed]]
id = "day"
venue = "lean"
files = ["${day}/spy/20131007_trade.zip"]
[[bars]]
interval = "1m"
[store]
dir = "store"
[api]
listen = "127.0.0.1:0"
hosts = ["${kName}:${port}"]
trusted_proxies = ["127.0.0.1"]
base_path = "${kPath}"
`,
      );
      return ['run', file];
    });
    proxy = await Proxy.before(program.port, port);
    browser = await launchBrowser({ names: { [kName]: '127.0.0.1' } });
    program.origin = `http://${kName}:${port}`;
  });

  after(async () => {
    await browser?.close();
    await proxy?.close();
    await program?.stop();
  });

  test('every page, the socket, files and documents stay below it', async () => {
    const { page, context, seen } = await openPage(browser, program, { open: false });
    await page.goto(`${program.origin}${kPath}/?token=${program.token}`);
    assert.equal(page.url(), `${program.origin}${kPath}/`);
    const [cookie] = await context.cookies();
    assert.equal(cookie.path, `${kPath}/`);
    await until(page, () => window.tapedeck?.bars().length > 100);
    assert.equal((await stateOf(page)).connection, 'live');
    assert.ok(proxy.asked.some((path) => path.startsWith(`${kPath}/api/v1/live?`)));
    await until(page, () => window.tapedeck.study('sma(20)').some(({ value }) => value !== null));

    await page.locator('#to-figures').click();
    await until(page, () => document.querySelectorAll('#figures-rows tr').length > 10);
    const csv = await page.locator('#figures-csv').evaluate(({ href }) => href);
    assert.ok(csv.startsWith(`${program.origin}${kPath}/api/v1/bars?`), csv);
    const [figures] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#figures-csv').click(),
    ]);
    assert.equal(await figures.failure(), null);
    await page.locator('#to-pipeline').click();
    await until(page, () =>
      /[\d,]+ durable\/s/.test(document.querySelector('[data-stage=tape]').innerText),
    );
    await page.locator('#to-data').click();
    await page.getByLabel('One SELECT statement').fill('SELECT count(*) AS bars FROM bars');
    await page.keyboard.press('Control+Enter');
    await until(page, () => /^1 row/.test(document.querySelector('#data-note').innerText));
    const [rows] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download as CSV' }).click(),
    ]);
    assert.equal(await rows.failure(), null);

    await page.locator('.pages').getByRole('link', { name: 'Docs' }).click();
    await page.waitForURL(`${program.origin}${kPath}/docs/`);
    await page.locator('main').getByRole('link', { name: 'The HTTP API' }).first().click();
    await page.waitForURL(`${program.origin}${kPath}/docs/reference/api.html`);
    await page.getByRole('link', { name: 'To the dashboard' }).click();
    await page.waitForURL(`${program.origin}${kPath}/`);
    await until(page, () => window.tapedeck?.state().connection === 'live');
    const outside = proxy.asked.filter((path) => !path.startsWith(`${kPath}/`));
    assert.deepEqual(outside, []);
    assertClean(seen);
    await context.close();
  });
});
