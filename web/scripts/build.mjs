// web/scripts/build.mjs: src/ to dist/, which holds only files to be served.

import { build } from 'esbuild';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { writeDocs } from './docs.mjs';

// The package of fancy-canvas names its licence but does not carry the text.
const kMit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT
OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR
OTHER DEALINGS IN THE SOFTWARE.`;

const root = new URL('../', import.meta.url);
const at = (path) => new URL(path, root);
const path = (name) => at(name).pathname;

await rm(at('dist'), { recursive: true, force: true });
await mkdir(at('dist'));
for (const [entry, file] of [
  ['app.ts', 'app.js'],
  ['docs.ts', 'docs/docs.js'],
]) {
  await build({
    entryPoints: [path(`src/${entry}`)],
    outfile: path(`dist/${file}`),
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'inline',
    logLevel: 'warning',
  });
}
for (const [entry, file] of [
  ['app.css', 'app.css'],
  ['docs.css', 'docs/docs.css'],
]) {
  await build({
    entryPoints: [path(`src/${entry}`)],
    outfile: path(`dist/${file}`),
    bundle: true,
    minify: true,
    logLevel: 'warning',
  });
}
for (const name of ['index.html', 'favicon.svg']) await cp(at(`src/${name}`), at(`dist/${name}`));
await cp(at('src/favicon.svg'), at('dist/docs/favicon.svg'));
const documents = await writeDocs(fileURLToPath(new URL('..', root)), path('dist/docs'));
await writeFile(at('dist/licences.txt'), await licences());

for (const name of (await readdir(at('dist'))).sort()) {
  if (name === 'docs') continue;
  const bytes = await readFile(at(`dist/${name}`));
  console.log(
    `${name.padEnd(14)} ${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`,
  );
}
console.log(`docs/          ${documents} pages`);

/** The notices that go with what is bundled. */
async function licences() {
  const apache = await readFile(at('node_modules/lightweight-charts/LICENSE'), 'utf8');
  const line = '-'.repeat(78);
  return `The dashboard of tapedeck contains the following software.

TradingView Lightweight Charts(TM)
Copyright (c) 2026 TradingView, Inc. https://www.tradingview.com/

${apache.trim()}

${line}

fancy-canvas
Copyright (c) 2019 TradingView, Inc

${kMit}
`;
}
