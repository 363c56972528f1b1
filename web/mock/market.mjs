// web/mock/market.mjs: a day of made-up trades, the same for the same seed, and bars from them.
//
// For looking at the page and trying its tests without the program. It keeps none of tapedeck's
// promises.

const kSecond = 1_000_000_000n;

/** A small generator of equal numbers for equal seeds. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const kDay = {
  date: '2013-10-07',
  zone: 'America/New_York',
  start: 1381132800n * kSecond, // 04:00 in New York
  end: 1381190400n * kSecond, // 20:00
  regularStart: 1381152600n * kSecond,
  regularEnd: 1381176000n * kSecond,
};

const kListed = [
  { instrument: 'SPY', price: 1_674_200, rate: 1.6 },
  { instrument: 'IBM', price: 1_821_000, rate: 0.35 },
  { instrument: 'AIG', price: 487_500, rate: 0.5 },
];

export const kInstruments = kListed.map(({ instrument }) => ({
  series: `lean/trade/${instrument}`,
  instrument,
  venue: 'lean',
  channel: 'trade',
  calendar: 'us_equity',
  zone: kDay.zone,
}));

/** All trades of the day in the order of arrival; a trade's offset is its index. */
export function tradesOfDay(seed) {
  const random = randomFrom(seed);
  const trades = [];
  const walks = kListed.map((listed) => ({ ...listed, series: `lean/trade/${listed.instrument}` }));
  for (let second = kDay.start; second < kDay.end; second += kSecond) {
    const regular = second >= kDay.regularStart && second < kDay.regularEnd;
    for (const walk of walks) {
      const rate = walk.rate * (regular ? 1 : 0.03);
      for (let chance = rate; chance > 0; --chance) {
        if (random() > chance) continue;
        walk.price += Math.round((random() - 0.499) * 6) * 100 * (regular ? 1 : 3);
        const oddLot = random() < 0.12;
        const late = random() < 0.0008;
        const time = second + BigInt(Math.floor(random() * 1e9));
        trades.push({
          series: walk.series,
          ts: late ? time - 150n * kSecond : time,
          known: time,
          price: BigInt(walk.price + (oddLot ? Math.round((random() - 0.5) * 1500) : 0)),
          size: oddLot
            ? 1n + BigInt(Math.floor(random() * 98))
            : 100n * (1n + BigInt(Math.floor(random() ** 3 * 20))),
          setsPrice: !oddLot,
        });
      }
    }
  }
  return trades.sort((a, b) => (a.known < b.known ? -1 : a.known > b.known ? 1 : 0));
}

/** Mantissa of four places to a decimal without trailing zeros. */
function decimal(mantissa, places = 4) {
  const digits = mantissa.toString().padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return digits.slice(0, -places) + (fraction ? `.${fraction}` : '');
}

const kUnits = { s: 1n, m: 60n, h: 3600n };

/** The bars of one query, fed with trades in the order of arrival. */
export class BarBuilder {
  constructor({ series, interval, conditions, session }) {
    this.series = series;
    this.length = BigInt(interval.slice(0, -1)) * kUnits[interval.slice(-1)] * kSecond;
    this.eligibleOnly = conditions === 'eligible';
    this.regularOnly = session === 'regular';
    this.bars = new Map();
    this.next = 0;
    this.changed = new Set();
  }

  /** Takes the trades up to `end` (an offset) at market time `now`. */
  advance(trades, end, now) {
    for (; this.next < end; ++this.next) {
      const trade = trades[this.next];
      if (trade.series !== this.series) continue;
      if (this.regularOnly && (trade.ts < kDay.regularStart || trade.ts >= kDay.regularEnd))
        continue;
      this.take(trade, this.next);
    }
    for (const [open, bar] of this.bars) {
      if (bar.final || open + this.length > now) continue;
      bar.final = true;
      this.changed.add(open);
    }
  }

  take(trade, offset) {
    const open = trade.ts - (trade.ts % this.length);
    let bar = this.bars.get(open);
    if (!bar) {
      bar = {
        prices: null,
        volume: 0n,
        notional: 0n,
        trades: 0,
        excluded: 0,
        final: false,
        revision: 0,
      };
      this.bars.set(open, bar);
    }
    // By the trade's own times, so that it does not depend on how trades are batched.
    if (trade.known >= open + this.length) bar.revision += 1;
    bar.offset = offset;
    bar.volume += trade.size;
    bar.notional += trade.size * trade.price;
    bar.trades += 1;
    if (!this.eligibleOnly || trade.setsPrice) {
      const { price, ts } = trade;
      const p = (bar.prices ??= {
        open: price,
        high: price,
        low: price,
        close: price,
        first: ts,
        last: ts,
      });
      if (price > p.high) p.high = price;
      if (price < p.low) p.low = price;
      if (ts < p.first) [p.first, p.open] = [ts, price];
      if (ts >= p.last) [p.last, p.close] = [ts, price];
    }
    this.changed.add(open);
  }

  answer(open) {
    const bar = this.bars.get(open);
    const price = (key) => (bar.prices ? decimal(bar.prices[key]) : null);
    return {
      ts_open: String(open),
      open: price('open'),
      high: price('high'),
      low: price('low'),
      close: price('close'),
      volume: String(bar.volume),
      trades: bar.trades,
      excluded: bar.excluded,
      notional: decimal(bar.notional),
      final: bar.final,
      revision: bar.revision,
      offset: String(bar.offset),
    };
  }

  all() {
    return [...this.bars.keys()].sort((a, b) => (a < b ? -1 : 1)).map((open) => this.answer(open));
  }

  takeChanged() {
    const changed = [...this.changed].sort((a, b) => (a < b ? -1 : 1));
    this.changed.clear();
    return changed.map((open) => this.answer(open));
  }
}
