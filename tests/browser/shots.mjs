// tests/browser/shots.mjs: pictures of the page, narrow to wide, light and dark.
//
// As a program (npm run shots in web/) it takes them of each page of the demo, built into the program
// or, with TAPEDECK_PAGE, from that folder.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { Demo, launchBrowser, openPage, screenshotsPath, until } = await import('./harness.mjs');
  const demo = await Demo.start({ speed: 60 });
  const browser = await launchBrowser();
  try {
    for (const page of ['chart', 'figures', 'pipeline', 'data']) {
      const opened = await openPage(browser, demo);
      await until(opened.page, () => window.tapedeck?.bars().length > 2, null, 60_000);
      await opened.page.locator(`.pages [data-page=${page}]`).click();
      await opened.page.waitForTimeout(3_000);
      for (const [file] of await takeShots(opened.page, screenshotsPath, page)) console.log(file);
      await opened.context.close();
    }
  } finally {
    await browser.close();
    await demo.stop();
  }
}
