// tests/browser/shots.mjs: pictures of each page of the demo, narrow to wide, light and dark (npm run
// shots in web/). The page is the one in the program or, with TAPEDECK_PAGE, that of a folder.

import { Demo, launchBrowser, openPage, screenshotsPath, takeShots, until } from './harness.mjs';

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
