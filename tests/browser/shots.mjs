// tests/browser/shots.mjs: pictures of the page, narrow to wide, light and dark.
//
// As a program (npm run mock-shots in web/) it takes them of the mock server, or of TAPEDECK_BIN.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kSizes = [
  { width: 320, height: 720 },
  { width: 768, height: 1024 },
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
  const mock = fileURLToPath(new URL('../../web/mock/server.mjs', import.meta.url));
  process.env.TAPEDECK_BIN ??= mock;
  const { Demo, launchBrowser, openPage, screenshotsPath, until } = await import('./harness.mjs');
  const args = process.env.TAPEDECK_BIN === mock ? ['--at', '11:40'] : [];
  const demo = await Demo.start({ speed: 20, args });
  const browser = await launchBrowser();
  try {
    const { page } = await openPage(browser, demo);
    await until(page, () => window.tapedeck?.bars().length > 2, null, 60_000);
    await page.waitForTimeout(3_000);
    for (const [file] of await takeShots(page, screenshotsPath, 'playing')) console.log(file);
  } finally {
    await browser.close();
    await demo.stop();
  }
}
