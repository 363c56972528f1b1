// web/scripts/docs.mjs: docs/**/*.md to the pages of /docs: plain HTML without script of its own,
// linked among each other. A link that leads nowhere fails the build.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { Marked } from 'marked';

/** The folders of docs/ that are for users, in the order in which one reads them. */
const kParts = [
  { folder: 'tutorials', title: 'Tutorials' },
  { folder: 'how-to', title: 'How to' },
  { folder: 'reference', title: 'Reference' },
  { folder: '', title: 'To understand it' },
];

const escaped = (text) =>
  text.replace(
    /[&<>"]/g,
    (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one],
  );

/** The anchor of a heading, as GitHub makes it. */
export function slugOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/**
 * One document: { title, intro, body (HTML), anchors, links: [{ to, anchor }] of other documents }.
 * `file` is its path in the repository; `isThere(path)` tells whether the repository has a file, and
 * `pageOf(path)` where its page is, or undefined if it has none.
 */
export function render(text, file, { isThere, pageOf }) {
  const anchors = new Set();
  const links = [];
  let title = '';
  let part = '';
  let intro = '';
  const marked = new Marked({ gfm: true });
  marked.use({
    renderer: {
      html({ text: html }) {
        throw new Error(`${file}: HTML in a document: ${html.trim()}`);
      },
      heading({ tokens, depth }) {
        const inner = this.parser.parseInline(tokens);
        const plain = this.parser.parseInline(tokens, this.parser.textRenderer);
        part = plain;
        if (depth === 1) {
          title = plain;
          return `<h1>${inner}</h1>\n`;
        }
        const base = slugOf(plain);
        let slug = base;
        for (let again = 1; anchors.has(slug); ++again) slug = `${base}-${again}`;
        anchors.add(slug);
        return `<h${depth} id="${slug}"><a href="#${slug}">${inner}</a></h${depth}>\n`;
      },
      paragraph({ tokens }) {
        const inner = this.parser.parseInline(tokens);
        // Without an end that leads on to what follows.
        intro ||= this.parser.parseInline(tokens, this.parser.textRenderer).replace(/[^.]*:$/, '');
        return `<p>${inner}</p>\n`;
      },
      // What may be wider than the window scrolls by itself, by keyboard too.
      code({ text: code, lang }) {
        const kind = lang ? ` data-language="${escaped(lang)}"` : '';
        return `<pre tabindex="0"${kind}><code>${escaped(code)}\n</code></pre>\n`;
      },
      table(token) {
        // A narrow window shows each cell below the one before, with its column's name; the roles
        // say that it is still a table.
        const row = (cells, tag, more) =>
          `<tr role="row">${cells
            .map(({ tokens }, at) => `<${tag} ${more(at)}>${this.parser.parseInline(tokens)}</${tag}>`)
            .join('')}</tr>\n`;
        const column = (at) =>
          escaped(this.parser.parseInline(token.header[at].tokens, this.parser.textRenderer));
        const head = row(token.header, 'th', () => 'role="columnheader" scope="col"');
        const cell = (at) => `role="cell" data-column="${column(at)}"`;
        const rows = token.rows.map((cells) => row(cells, 'td', cell)).join('');
        const name = escaped(`Table: ${part}`);
        return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table role="table">
<thead role="rowgroup">${head}</thead>
<tbody role="rowgroup">${rows}</tbody>
</table></div>\n`;
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        if (/^https?:/.test(href)) return `<a href="${escaped(href)}" rel="noreferrer">${inner}</a>`;
        const [path, anchor = ''] = href.split('#');
        const target = path ? posix.join(posix.dirname(file), path) : file;
        if (!isThere(target)) throw new Error(`${file}: a link to ${href}, which is not there`);
        const page = pageOf(target);
        // Beside the code, and not in the program.
        if (page === undefined) return `${inner} (<code>${escaped(target)}</code>)`;
        links.push({ to: target, anchor });
        const from = posix.dirname(pageOf(file));
        const way = path ? posix.relative(from, page) : '';
        return `<a href="${escaped(way + (anchor ? `#${anchor}` : ''))}">${inner}</a>`;
      },
      image({ href }) {
        throw new Error(`${file}: an image, which the program does not carry: ${href}`);
      },
    },
  });
  const body = marked.parse(text);
  if (!title) throw new Error(`${file}: no title`);
  return { title, intro, body, anchors, links };
}

/** A whole page. `root`: the way from it to the dashboard; `listing`: HTML of all pages. */
function pageHtml({ title, body, root, listing, inThisPage = '' }) {
  const docs = `${root}docs/`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escaped(title)} · tapedeck</title>
    <link rel="icon" href="${docs}favicon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="${docs}docs.css" />
    <script src="${docs}docs.js" defer blocking="render"></script>
  </head>
  <body>
    <a class="skip" href="#text">Skip to the text</a>
    <header class="head">
      <a class="brand" href="${root}">tapedeck</a>
      <nav aria-label="Documents"><a href="${docs}">Documents</a></nav>
      <a class="to-page" href="${root}">To the dashboard</a>
    </header>
    <div class="columns">
      <main id="text" tabindex="-1">
${body}
      </main>
      <aside>
${inThisPage}
        <nav aria-labelledby="all-title">
          <h2 id="all-title">All documents</h2>
${listing}
        </nav>
      </aside>
    </div>
  </body>
</html>
`;
}

/** Writes the pages of the repository at `root` into `folder`. */
export async function writeDocs(root, folder) {
  const pages = [];
  for (const { folder: part, title } of kParts) {
    const names = await readdir(join(root, 'docs', part)).catch(() => []);
    for (const name of names.filter((one) => one.endsWith('.md')).sort()) {
      const path = posix.join(part, name);
      pages.push({ file: `docs/${path}`, page: path.replace(/\.md$/, '.html'), part: title });
    }
  }
  const byFile = new Map(pages.map((one) => [one.file, one]));
  const world = {
    isThere: (file) => existsSync(join(root, file)),
    pageOf: (file) => byFile.get(file)?.page,
  };
  for (const page of pages) {
    Object.assign(page, render(await readFile(join(root, page.file), 'utf8'), page.file, world));
  }
  for (const { file, links } of pages) {
    for (const { to, anchor } of links) {
      if (anchor && !byFile.get(to).anchors.has(anchor)) {
        throw new Error(`${file}: a link to ${to}#${anchor}, and there is no such heading`);
      }
    }
  }
  const listing = (from, current) =>
    kParts
      .map(({ title }) => {
        const items = pages.filter(({ part }) => part === title);
        if (items.length === 0) return '';
        const rows = items.map((one) => {
          const here = one === current ? ' aria-current="page"' : '';
          const href = posix.relative(from, one.page);
          return `<li><a href="${href}"${here}>${escaped(one.title)}</a></li>`;
        });
        return `<h3>${title}</h3>\n<ul>\n${rows.join('\n')}\n</ul>`;
      })
      .join('\n');
  const write = async (path, html) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), html);
  };
  for (const page of pages) {
    const from = posix.dirname(page.page);
    const headings = [...page.body.matchAll(/<h2 id="([^"]+)"><a [^>]*>(.*?)<\/a><\/h2>/g)];
    const inThisPage =
      headings.length < 2
        ? ''
        : `<nav aria-labelledby="here-title"><h2 id="here-title">On this page</h2><ul>
${headings.map(([, slug, inner]) => `<li><a href="#${slug}">${inner}</a></li>`).join('\n')}
</ul></nav>`;
    const up = from === '.' ? '../' : '../../';
    await write(
      page.page,
      pageHtml({ ...page, root: up, listing: listing(from, page), inThisPage }),
    );
  }
  const parts = kParts.map(({ title }) => {
    const items = pages.filter(({ part }) => part === title);
    const rows = items.map(
      ({ page, title: name, intro }) =>
        `<dt><a href="${page}">${escaped(name)}</a></dt><dd>${escaped(intro)}</dd>`,
    );
    return items.length ? `<h2>${title}</h2>\n<dl>\n${rows.join('\n')}\n</dl>` : '';
  });
  const body = `<h1>Documents</h1>
<p>What comes with this program, as it is in this version. Nothing here needs the network.</p>
${parts.join('\n')}`;
  await write('index.html', pageHtml({ title: 'Documents', body, root: '../', listing: listing('.') }));
  return pages.length + 1;
}
