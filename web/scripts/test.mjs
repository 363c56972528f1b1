// web/scripts/test.mjs: bundles each src/*_test.ts for Node and runs them with its own test runner.

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const out = path('node_modules/.cache/tapedeck-test');

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const tests = (await readdir(path('src'))).filter((name) => name.endsWith('_test.ts'));
await build({
  entryPoints: tests.map((name) => path(`src/${name}`)),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node18',
  sourcemap: 'inline',
  logLevel: 'warning',
});
const files = tests.map((name) => `${out}/${name.replace(/\.ts$/, '.mjs')}`);
const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], {
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
