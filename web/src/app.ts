// web/src/app.ts: joins the parts of the page. State lives in LiveClient; the rest shows it.

import { diagnose, getBars, getInstruments, openSocket, restartPlay } from './api';
import type { Entry } from './bars';
import { BarChart, type Newest } from './chart';
import { Segments } from './controls';
import { Deck } from './deck';
import { byId, setText } from './dom';
import { formatDecimal, parseDecimal } from './format';
import { dayFacts, showFacts } from './facts';
import { barSentence, Legend, NumbersTable, type BarStyle } from './legend';
import { LiveClient } from './live';
import { emptyText } from './play_text';
import { QuoteRounds, withLast, type Quote } from './quotes';
import { fragmentOf, queryFor, viewFrom, type View } from './selection';
import { nextTheme, setTheme, storedTheme } from './theme';
import { intervalSeconds, secondsOf, Zone } from './time';
import { kKeptIntervals, type Bar, type Instrument, type Interval } from './types';
import { changeText, directionOf, Watch } from './watch';

const kInstrumentsRetryMs = 1_000;
const kQuotesMs = 2_000;

let theme = storedTheme();
setTheme(theme);

let view: View = viewFrom(location.hash);
let instruments: Instrument[] = [];
let instrumentsRun: number | null = null;
let zone = new Zone('UTC');
let pointed: Entry | null = null;
/** What the chart shows; the book may already be a frame ahead. */
let newest: Newest = { last: null, close: null };
const quotes = new Map<string, Quote>();

const live = new LiveClient(
  {
    open: openSocket,
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    diagnose,
  },
  {
    connection: () => {
      deck.showConnection(live.connection(), live.refusal());
      showWaiting();
      if (live.connection() === 'live') void askQuotes();
    },
    reset: () => {
      pointed = null;
      newest = { last: null, close: null };
      chart.reset();
    },
    bars: (change) => chart.apply(change),
    status: (status) => {
      setZone(status.play.zone);
      watch.setRange(secondsOf(status.play.start_time), secondsOf(status.play.end_time));
      deck.showStatus(status, zone);
      if (instrumentsRun !== null && instrumentsRun !== status.play.run) {
        quotes.clear();
        for (const { series } of instruments) watch.setQuote(series, null);
        void loadInstruments();
      }
      instrumentsRun = status.play.run;
      showWaiting();
    },
  },
);

const deck = new Deck(async () => {
  const answer = await restartPlay();
  return answer.ok ? null : answer.failure.message;
});
const legend = new Legend();
const numbers = new NumbersTable(() => numbers.show(live.book, barStyle()));
const watch = new Watch((series) => choose({ series }));
const chart = new BarChart(byId('chart-canvas'), live.book, zone, {
  point: (entry, byKeyboard) => {
    pointed = entry;
    showLegend();
    if (entry && byKeyboard) deck.say(barSentence(entry, barStyle()));
  },
  follows: (following) => {
    byId('to-live').hidden = following;
  },
  drawn: (drawn) => {
    newest = drawn;
    showBars();
  },
});

const rounds = new QuoteRounds(getBars, (series, quote) => {
  if (quote) quotes.set(series, quote);
  else quotes.delete(series);
  showQuote(series);
});

const intervals = new Segments<Interval>(
  byId('control-interval'),
  'interval',
  kKeptIntervals.map((value) => ({
    value,
    text: value,
    hint: `Bars of ${value}`,
  })),
  (interval) => choose({ interval }),
);
const conditions = new Segments(
  byId('control-conditions'),
  'conditions',
  [
    {
      value: 'eligible',
      text: 'Eligible',
      hint: 'Only trades whose conditions let them set a price, by the rules of the tape',
    },
    { value: 'all', text: 'All', hint: 'Every trade sets prices, whatever its conditions' },
  ] as const,
  (value) => choose({ conditions: value }),
);
const sessions = new Segments(
  byId('control-session'),
  'session',
  [
    { value: 'extended', text: 'Extended', hint: 'Before, during and after regular hours' },
    { value: 'regular', text: 'Regular', hint: 'Regular trading hours only' },
  ] as const,
  (session) => choose({ session }),
);

function choose(change: Partial<View>): void {
  view = { ...view, ...change };
  history.replaceState(null, '', location.pathname + location.search + fragmentOf(view));
  showChoice();
}

/** Brings the page in line with `view`, and the connection too when it asks for other bars. */
function showChoice(): void {
  intervals.set(view.interval);
  conditions.set(view.conditions);
  sessions.set(view.session);
  const query = queryFor(view, instruments);
  if (!query) return;
  const instrument = instruments.find(({ series }) => series === query.series)!;
  watch.select(query.series);
  setText(byId('view-instrument'), instrument.instrument);
  setText(byId('view-series'), `${instrument.venue} · ${instrument.channel}`);
  byId('chart').setAttribute('aria-label', `${instrument.instrument}, bars of ${view.interval}`);
  chart.setInterval(view.interval);
  const before = live.query();
  const same =
    before &&
    (Object.keys(query) as (keyof typeof query)[]).every((key) => before[key] === query[key]);
  if (!same) {
    if (before && (before.conditions !== query.conditions || before.session !== query.session)) {
      rounds.setSeries(instruments.map(({ series }) => series));
      void askQuotes();
    }
    live.watch(query);
  }
}

function setZone(name: string): void {
  if (zone.name === name) return;
  const named = new Zone(name);
  if (named.name === zone.name) return;
  zone = named;
  chart.setZone(zone);
}

function barStyle(): BarStyle {
  const withSeconds = intervalSeconds(view.interval) < 60;
  return { zone, withSeconds, places: live.book.places() };
}

function showLegend(): void {
  const shown = pointed ? (live.book.find(pointed.time) ?? null) : newest.last;
  legend.show(shown, barStyle());
}

function showBars(): void {
  showWaiting();
  showLegend();
  numbers.show(live.book, barStyle());
  const query = live.query();
  if (query) showQuote(query.series);
}

/** What is said over the chart: why it is empty, or that it is no longer kept up to date. */
function showWaiting(): void {
  const empty = live.book.last() === undefined;
  const play = live.status()?.play;
  const connected = live.connection() === 'live';
  byId('chart-empty').hidden = !empty;
  setText(byId('chart-empty'), emptyText(connected ? play?.state : undefined));
  byId('stale').hidden = connected || empty || !play;
  if (!play) return;
  const now = secondsOf(play.market_time);
  setText(
    byId('stale'),
    `Not connected: what you see ends at ${zone.clock(now, true)} ${zone.abbreviation(now)}.`,
  );
}

function showQuote(series: string): void {
  let quote = quotes.get(series) ?? null;
  const query = live.query();
  if (quote && series === query?.series) {
    const last = parseDecimal(newest.close ?? '');
    if (last) quote = withLast(quote, last);
  }
  watch.setQuote(series, quote);
  if (series !== query?.series) return;
  const instrument = instruments.find((one) => one.series === series)?.instrument ?? series;
  const last = quote ? formatDecimal(quote.last, { minPlaces: quote.places }) : '';
  document.title = [instrument, last, '· tapedeck'].filter(Boolean).join(' ');
  showFacts(byId('day'), dayFacts(quote));
  setText(byId('view-last'), last);
  setText(byId('view-change'), changeText(quote));
  byId('view-change').dataset.direction = directionOf(quote);
}

async function loadInstruments(): Promise<void> {
  const answer = await getInstruments();
  // A new run may not know any yet: what was known stays until it does.
  if (answer.ok && answer.value.length > 0) {
    instruments = answer.value;
    watch.setInstruments(instruments);
    rounds.setSeries(instruments.map(({ series }) => series));
    for (const { series } of instruments) showQuote(series);
    showChoice();
    void askQuotes();
    return;
  }
  if (!answer.ok && instruments.length === 0) {
    const signedOut = answer.failure.status === 401 || answer.failure.status === 403;
    deck.showConnection(signedOut ? 'unauthorised' : 'reconnecting', '');
  }
  setTimeout(() => void loadInstruments(), kInstrumentsRetryMs);
}

async function askQuotes(): Promise<void> {
  const status = live.status();
  if (document.hidden || live.connection() !== 'live' || !status) return;
  const { conditions: wanted, session } = view;
  await rounds.round({ conditions: wanted, session }, status.play.run, status.tape.durable_offset);
}

function showThemeName(): void {
  const name = { auto: 'as the system', light: 'light', dark: 'dark' }[theme];
  setText(byId('theme-name'), `Theme: ${name}`);
  byId('theme').title = `Theme: ${name}`;
}

byId('theme').addEventListener('click', () => {
  theme = nextTheme(theme);
  setTheme(theme);
  showThemeName();
  chart.setTheme();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.setTheme());
byId('chart').addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (chart.key(event.key)) event.preventDefault();
});
byId('chart').addEventListener('blur', () => chart.clearCursor());
byId('to-live').addEventListener('click', () => chart.toLive());
byId('controls').addEventListener('submit', (event) => event.preventDefault());
addEventListener('online', () => live.retryNow());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) live.retryNow();
});
addEventListener('hashchange', () => {
  view = viewFrom(location.hash);
  showChoice();
});
setInterval(() => void askQuotes(), kQuotesMs);

/** For tests and scripts: what the page holds. Copies; nothing here changes the page. */
const hook = Object.freeze({
  bars: (): Bar[] => live.book.entries().map(({ bar }) => ({ ...bar })),
  state: () => ({
    connection: live.connection(),
    query: live.query(),
    run: live.run(),
    offset: live.offset(),
    counters: { ...live.counters },
    status: structuredClone(live.status()),
  }),
});
Object.defineProperty(window, 'tapedeck', { value: hook });

showThemeName();
deck.showConnection(live.connection(), '');
void loadInstruments();
