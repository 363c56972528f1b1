// tests/browser/harness.mjs: starts the program, a browser, and a wire between that can be cut.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// The one lock file for JavaScript is web's.
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axeSource = require('axe-core').source;

export const projectPath = fileURLToPath(new URL('../../', import.meta.url));
export const programPath = process.env.TAPEDECK_BIN ?? join(projectPath, 'build/release/tapedeck');
export const screenshotsPath = process.env.TAPEDECK_SCREENSHOTS ?? join(projectPath, 'build/screenshots');

/** Why the tests cannot run, for node:test's `skip`. A program that was named must be there. */
export const skipReason =
  existsSync(programPath) || process.env.TAPEDECK_BIN ? false : `${programPath} is not built`;

const kStartMs = 20_000;
const kStopMs = 10_000;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A running `tapedeck`, in a folder of its own, once it has printed its address. */
export class Program {
  /** `arguments_`: of the folder. */
  static async start(arguments_) {
    const program = new Program();
    program.state = await mkdtemp(join(tmpdir(), 'tapedeck-browser-'));
    program.output = '';
    program.process = spawn(programPath, await arguments_(program.state), {
      cwd: program.state,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    program.exited = new Promise((resolve) => {
      program.process.once('exit', (code, signal) => resolve({ code, signal }));
      program.process.once('error', (error) => resolve({ code: null, signal: null, error }));
    });
    try {
      program.address = await program.printedAddress();
    } catch (error) {
      await program.stop();
      throw error;
    }
    const url = new URL(program.address);
    program.origin = url.origin;
    program.port = Number(url.port);
    program.token = url.searchParams.get('token');
    return program;
  }

  printedAddress() {
    return new Promise((resolve, reject) => {
      const fail = (why) =>
        reject(new Error(`${programPath}: ${why}; it printed:\n${this.output}`));
      const timer = setTimeout(() => fail(`no address within ${kStartMs} ms`), kStartMs);
      const read = (chunk) => {
        this.output += chunk;
        const found = /https?:\/\/[\w.]+:\d+\/\S*\?token=[\w.~-]+(?=\s)/.exec(this.output);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      this.process.stdout.on('data', read);
      this.process.stderr.on('data', (chunk) => (this.output += chunk));
      void this.exited.then(({ code, signal, error }) => {
        clearTimeout(timer);
        fail(error ? error.message : `ended with ${code ?? signal}`);
      });
    });
  }

  async get(path) {
    const response = await fetch(this.origin + path, {
      headers: { Authorization: `Bearer ${this.token}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async stop() {
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), kStopMs);
    const end = await this.exited;
    clearTimeout(timer);
    await rm(this.state, { recursive: true, force: true });
    return end;
  }
}

/** `tapedeck demo` with a state folder of its own. */
export const Demo = {
  async start({ speed, args = [] }) {
    const port = String(await freePort());
    const own = ['--port', port, '--speed', String(speed)];
    return Program.start((folder) => ['demo', '--state', folder, ...own, ...args]);
  },
};

/** Carries bytes between the browser and the program until it is cut. */
export class Wire {
  static async to(port) {
    const wire = new Wire();
    wire.sockets = new Set();
    wire.down = false;
    /** Start of each upgrade request that went through, newest last. */
    wire.upgrades = [];
    wire.server = createServer((near) => wire.carry(near, port));
    wire.server.listen(0, '127.0.0.1');
    await new Promise((resolve) => wire.server.once('listening', resolve));
    wire.port = wire.server.address().port;
    return wire;
  }

  carry(near, port) {
    if (this.down) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
    near.on('data', (bytes) => {
      const line = /^GET (\/api\/v1\/live\S*)/.exec(bytes.toString('latin1'));
      if (line) this.upgrades.push(line[1]);
    });
  }

  /** Ends every connection at once and refuses new ones. */
  cut() {
    this.down = true;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  mend() {
    this.down = false;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/**
 * A headless Chromium. With `via`, connections to the program's port go through that wire, while
 * the page keeps the program's own origin. `names`: addresses of hosts.
 */
export function launchBrowser({ port, via, names = {} } = {}) {
  const args = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  // A page that was put in place of the program's comes from nowhere, as the browser sees it.
  if (process.env.TAPEDECK_PAGE) args.push('--disable-features=LocalNetworkAccessChecks');
  const rules = Object.entries(names).map(([name, address]) => `MAP ${name} ${address}`);
  if (via) rules.push(`MAP 127.0.0.1:${port} 127.0.0.1:${via.port}`);
  if (rules.length > 0) args.push(`--host-resolver-rules=${rules.join(',')}`);
  const executablePath = process.env.TAPEDECK_CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args });
}

/** A page that remembers what went wrong on it and whom it asked. */
export async function openPage(browser, demo, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const seen = { errors: [], foreign: [] };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.errors.push(message.text());
  });
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('request', (request) => {
    if (!isOwn(request.url(), demo)) seen.foreign.push(request.url());
  });
  page.on('websocket', (socket) => {
    if (!isOwn(socket.url(), demo)) seen.foreign.push(socket.url());
  });
  if (process.env.TAPEDECK_PAGE) await serveFrom(context, demo, process.env.TAPEDECK_PAGE);
  if (options.open !== false) await page.goto(demo.address);
  return { page, context, seen };
}

const kTypes = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

/** Another build of the page than the program's own, with the program's headers. */
async function serveFrom(context, demo, folder) {
  for (const file of ['index.html', 'app.js', 'app.css', 'favicon.svg']) {
    // A redirect is not routed, so the page stands in for the one from the printed address too.
    const isAsked = ({ origin, pathname }) =>
      origin === demo.origin && pathname === `/${file === 'index.html' ? '' : file}`;
    await context.route(isAsked, async (route) => {
      const response = await route.fetch();
      if (!response.ok()) return route.fulfill({ response });
      const contentType = `${kTypes[file.split('.')[1]]}; charset=utf-8`;
      const headers = { ...response.headers(), 'content-type': contentType };
      delete headers['content-length'];
      return route.fulfill({ status: 200, headers, body: await readFile(join(folder, file)) });
    });
  }
}

function isOwn(address, demo) {
  const url = new URL(address);
  return url.protocol === 'data:' || url.host === new URL(demo.origin).host;
}

export const stateOf = (page) => page.evaluate(() => window.tapedeck.state());
export const barsOf = (page) => page.evaluate(() => window.tapedeck.bars());

const kSizes = [
  { width: 320, height: 720 },
  { width: 800, height: 1024 },
  { width: 1280, height: 800 },
  { width: 2560, height: 1300 },
];

/** Takes one picture per size and scheme; answers with [file, horizontal overflow in pixels]. */
export async function takeShots(page, folder, name) {
  await mkdir(folder, { recursive: true });
  const taken = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const size of kSizes) {
      await page.setViewportSize(size);
      await page.evaluate(
        () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
      );
      const file = join(folder, `${name}-${size.width}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: size.width < 1000 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      taken.push([file, overflow]);
    }
  }
  return taken;
}

/** Light and dark nothing serious for axe, and nothing wider than its window, narrow to wide. */
export async function assertGoodEverywhere(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await seriousFindings(page), [], colorScheme);
  }
  for (const [file, overflow] of await takeShots(page, screenshotsPath, name)) {
    assert.equal(overflow, 0, `${file} is wider than its window`);
  }
}

/** What a person could not use, as axe sees it: serious and critical findings. */
export async function seriousFindings(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

export function assertClean(seen) {
  assert.deepEqual(seen.errors, [], 'errors on the console');
  assert.deepEqual(seen.foreign, [], 'requests to others');
}

/** Waits for a condition in the page. */
export function until(page, condition, argument, timeout = 15_000) {
  return page.waitForFunction(condition, argument, { timeout, polling: 50 });
}
