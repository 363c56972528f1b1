// bench/page_bench.mjs: node page_bench.mjs ADDRESS SECONDS
//
// Opens the page at ADDRESS in a headless Chromium and prints, as one JSON object, how long after
// they were received trades were on the screen. What is measured: README.md, "Serving".

import { launchBrowser } from '../tests/browser/harness.mjs';

const [address, seconds] = [process.argv[2], Number(process.argv[3])];
const kWarmUpMs = 3_000;

const browser = await launchBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(address);
  await page.waitForFunction(
    () => window.tapedeck?.painted() && window.tapedeck.state().connection === 'live',
    null,
    { timeout: 30_000 },
  );
  await page.waitForTimeout(kWarmUpMs);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const scriptMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1e3;
  };
  const before = await scriptMs();
  const { paints, frames } = await page.evaluate(
    (ms) =>
      new Promise((resolve) => {
        const found = [];
        const begun = performance.now();
        let known = null;
        let waiting = null;
        let count = 0;
        const frame = () => {
          // What was drawn in the frame before has been painted.
          const now = performance.timeOrigin + performance.now();
          if (waiting !== null) found.push([Number(BigInt(waiting) / 1000n) / 1e3, now]);
          waiting = null;
          const newest = window.tapedeck.painted();
          if (newest !== known) known = waiting = newest;
          count += 1;
          if (performance.now() - begun < ms) requestAnimationFrame(frame);
          else resolve({ paints: found, frames: count });
        };
        requestAnimationFrame(frame);
      }),
    seconds * 1e3,
  );
  const busy = (await scriptMs()) - before;
  // Trades come evenly, so each millisecond between two paints stands for those within it.
  const waits = [];
  for (let i = 1; i < paints.length; ++i) {
    for (let at = paints[i][0]; at > paints[i - 1][0]; at -= 1) waits.push(paints[i][1] - at);
  }
  waits.sort((a, b) => a - b);
  const quantile = (q) => Number(waits[Math.floor(q * (waits.length - 1))].toFixed(3));
  console.log(
    JSON.stringify({
      p50_ms: quantile(0.5),
      p99_ms: quantile(0.99),
      max_ms: quantile(1),
      paints: paints.length,
      frames_per_s: Number((frames / seconds).toFixed(1)),
      script_ms_per_s: Number((busy / seconds).toFixed(1)),
    }),
  );
} finally {
  await browser.close();
}
