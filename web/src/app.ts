// web/src/app.ts: joins the parts of the page. State lives in LiveClient; the rest shows it.

import {
  diagnose,
  getBars,
  getEmpty,
  getInstruments,
  getMetrics,
  getCompleteness,
  getQuality,
  getRoutes,
  getStatus,
  getStored,
  getTrades,
  isViewer,
  openSocket,
  orderPlay,
  select,
  type BarRange,
} from './api';
import { BarBook, studyAt, type Entry } from './bars';
import { BarChart, type Newest } from './chart';
import { Segments } from './controls';
import { DataPage } from './data_page';
import { Deck } from './deck';
import { byId, setText } from './dom';
import { dayFacts, showFacts } from './facts';
import { EmptyTimes, type EmptyTime } from './empty_times';
import { FiguresPage } from './figures_page';
import { barTexts, emptyTexts, Legend, NumbersTable, sentenceOf } from './legend';
import type { BarStyle, BarText } from './legend';
import { LiveClient } from './live';
import { tameMenus } from './menus';
import { PipelinePage } from './pipeline_page';
import { emptyText } from './play_text';
import { Prints } from './prints';
import { QuoteRounds, type Quote } from './quotes';
import { DateFields, RangeMenu } from './range';
import type { Route } from './routes';
import {
  fragmentOf,
  intervalsOf,
  nearestKept,
  queryFor,
  viewFrom,
  type Kind,
  type View,
} from './selection';
import { linesOf, nameOf } from './studies';
import { RegularHours } from './sessions';
import type { Shown } from './status_line';
import { StudyMenu } from './study_menu';
import { nextTheme, setTheme, storedTheme } from './theme';
import { intervalSeconds, nextDate, secondsOf, Zone } from './time';
import { Transport } from './transport';
import type { Bar, BarSeries, Instrument, Interval, LastRow, Status } from './types';
import { basisOfAll, basisText, changeText, directionOf, priceText, Watch } from './watch';

const kInstrumentsRetryMs = 1_000;
const kQuotesMs = 2_000;
const kPipelineMs = 1_000;

let theme = storedTheme();
setTheme(theme);

let view: View = viewFrom(location.hash);
let routes: ReadonlySet<Route> = new Set();
let instruments: Instrument[] = [];
let keptBars: readonly BarSeries[] | undefined;
let instrumentsRun: number | null = null;
let zone = new Zone('UTC');
let pointed: Entry | null = null;
let pointedEmpty: EmptyTime | null = null;
/** What the chart shows; the book may already be a frame ahead. */
let newest: Newest = { last: null, close: null };
/** The bars of chosen dates; the live ones go on beside them. */
const past = new BarBook();
let pastAsked = '';
let pastShown = '';
let keepsRegular = false;
const quotes = new Map<string, Quote>();
const lasts = new Map<string, LastRow>();

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
      if (showsPast()) return;
      pointed = pointedEmpty = null;
      newest = { last: null, close: null };
      empties.forget();
      chart.reset();
    },
    bars: (change) => {
      if (showsPast()) return;
      if (change.inserted) empties.forget();
      chart.apply(change);
    },
    last: (rows, whole) => {
      if (whole) lasts.clear();
      for (const row of rows) {
        lasts.set(row.series, row);
        watch.setLast(row);
      }
      watch.setBasis(basisOfAll([...lasts.values()]));
      showLast();
    },
    trades: (rows, whole) => prints.take(rows, whole),
    status: takeStatus,
  },
);

const deck = new Deck();
const transport = new Transport(
  {
    pause: () => orderPlay('pause'),
    resume: () => orderPlay('resume'),
    restart: () => orderPlay('restart'),
    speed: (speed) => orderPlay('speed', { value: String(speed) }),
    jump: (seconds) => orderPlay('jump', { to: new Date(seconds * 1000).toISOString() }),
  },
  (text) => deck.showProblem(text),
);
const legend = new Legend();
const numbers = new NumbersTable(() => numbers.show(book(), barStyle()));
const watch = new Watch((series) => choose({ series }));
const chart = new BarChart(byId('chart-canvas'), live.book, zone, {
  point: (entry, empty, byKeyboard) => {
    pointed = entry;
    pointedEmpty = empty;
    showLegend();
    if ((entry || empty) && byKeyboard) deck.say(sentenceOf(pointedTexts()));
  },
  chosen: (entry) => showTradesOf(entry),
  follows: (following) => {
    byId('to-live').hidden = following;
  },
  drawn: (drawn) => {
    newest = drawn;
    showBars();
  },
});
const pipeline = new PipelinePage({
  metrics: getMetrics,
  quality: getQuality,
  completeness: getCompleteness,
  stored: getStored,
  now: () => performance.now() / 1000,
});
const data = new DataPage({ select, now: () => performance.now() });
const figures = new FiguresPage({
  fetch: getBars,
  choose: (series) => choose({ series }),
});
const prints = new Prints({
  fetch: getTrades,
  after: (delayMs, callback) => setTimeout(callback, delayMs),
  watch: (series) => live.watchTrades(series),
});
const hours = new RegularHours(getBars, () => chart.setSessions(hours.sessionOf));
const empties = new EmptyTimes(getEmpty, (times) => {
  pointedEmpty = times.find(({ time }) => time === pointedEmpty?.time) ?? null;
  chart.setEmpty(times);
});
const rounds = new QuoteRounds(getBars, (series, quote) => {
  if (quote) quotes.set(series, quote);
  else quotes.delete(series);
  watch.setLine(series, quote?.closes ?? []);
  showDay(series);
});

const intervals = new Segments<Interval>(
  byId('control-interval'),
  'interval',
  [],
  (interval) => choose({ interval }),
);
const kinds = new Segments<Kind>(
  byId('control-kind'),
  'kind',
  [
    { value: 'candles', text: 'Candles', hint: 'Open, high, low and close of each bar' },
    { value: 'line', text: 'Line', hint: 'The close of each bar' },
  ],
  (kind) => choose({ kind }),
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
const studyMenu = new StudyMenu((studies) => choose({ studies }));
const rangeMenu = new RangeMenu((dates) => choose(dates));
const figuresDates = new DateFields('figures', (dates) => choose(dates));

function choose(change: Partial<View>): void {
  const wanted = { ...view, ...change };
  view = { ...wanted, ...nearestKept(wanted, keptBars, change) };
  history.replaceState(null, '', location.pathname + location.search + fragmentOf(view));
  showChoice();
}

function showsPast(): boolean {
  return view.from !== '' || view.to !== '';
}

function book(): BarBook {
  return showsPast() ? past : live.book;
}

function rangeOf({ from, to }: View): BarRange {
  const range: BarRange = {};
  if (from) range.start = from;
  if (to) range.end = nextDate(to);
  if (from || to) range.tz = zone.name;
  return range;
}

/** Brings the page in line with `view`, and the connection too when it asks for other bars. */
function showChoice(): void {
  showPage();
  intervals.set(view.interval);
  kinds.set(view.kind);
  conditions.set(view.conditions);
  sessions.set(view.session);
  studyMenu.set(view.studies);
  rangeMenu.set(view);
  figuresDates.set(view);
  const query = queryFor(view, instruments);
  if (!query) return;
  const instrument = instruments.find(({ series }) => series === query.series)!;
  setZone(instrument.zone);
  watch.select(query.series);
  setText(byId('view-instrument'), instrument.instrument);
  byId('view-instrument').title = `${instrument.venue} ${instrument.channel}`;
  byId('chart').setAttribute('aria-label', `${instrument.instrument}, bars of ${view.interval}`);
  prints.watch(query.series);
  showLast();
  showDay(query.series);
  chart.setInterval(view.interval);
  chart.setKind(view.kind);
  const before = live.query();
  if (before && (before.conditions !== query.conditions || before.session !== query.session)) {
    rounds.setSeries(instruments.map(({ series }) => series));
    void askQuotes();
  }
  const lines = linesOf(view.studies);
  chart.setStudies(lines);
  legend.setStudies(lines);
  live.watch(query, studyNames());
  chart.setBook(book());
  if (showsPast()) void loadPast();
  else pastAsked = pastShown = '';
  const mixed = query.session === 'extended' && instrument.calendar !== '24x7';
  empties.watch(
    routes.has('GET /api/v1/bars/empty') && query.interval !== '1d' ? query : null,
    rangeOf(view),
  );
  hours.watch(mixed && keepsRegular ? query : null, rangeOf(view));
}

/** As the API knows the chosen indicators. */
function studyNames(): string[] {
  return [...new Set(view.studies.map(nameOf))];
}

/** The bars of the chosen dates, once for each choice. */
async function loadPast(): Promise<void> {
  const query = queryFor(view, instruments);
  const range = rangeOf(view);
  const asked = JSON.stringify([query, range, studyNames()]);
  if (!query || asked === pastAsked) return;
  // The same bars stay until they come with the other indicators.
  const same = JSON.stringify([query, range]);
  if (same !== pastShown) {
    past.reset([]);
    chart.reset();
  }
  pastShown = same;
  pastAsked = asked;
  const answer = await getBars(query, range, studyNames());
  if (asked !== pastAsked) return;
  deck.showProblem(answer.ok ? '' : `No bars of these dates: ${answer.failure.message}`);
  if (answer.ok) past.reset(answer.value.bars);
  chart.reset();
}

function showPage(): void {
  for (const main of document.querySelectorAll<HTMLElement>('main')) {
    main.hidden = main.dataset.page !== view.page;
  }
  for (const link of document.querySelectorAll<HTMLAnchorElement>('.pages [data-page]')) {
    const page = link.dataset.page as View['page'];
    link.href = fragmentOf({ ...view, page }) || '#';
    if (page === view.page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  void showPipeline();
  void showFigures();
  if (view.page === 'data') void data.show();
}

function takeStatus(status: Status): void {
  if (instruments.length === 0) setZone(status.play.zone);
  watch.setRange(secondsOf(status.play.start_time), secondsOf(status.play.end_time));
  deck.showStatus(status, zone, shown(status));
  pipeline.setStatus(status, lagText(status));
  transport.show(status.play, zone, status.mode === 'demo');
  if (instrumentsRun !== null && instrumentsRun !== status.play.run) {
    quotes.clear();
    rounds.setSeries([]);
    hours.forget();
    empties.forget();
    for (const { series } of instruments) watch.setLine(series, []);
    void loadInstruments();
  }
  instrumentsRun = status.play.run;
  showWaiting();
}

/** How far the newest trade of all is behind the market's clock. */
function lagText({ play }: Status): string {
  const times = [...lasts.values()].flatMap(({ ts_event }) => (ts_event ? [BigInt(ts_event)] : []));
  if (times.length === 0 || play.state !== 'playing') return '';
  const newest_ = times.reduce((most, time) => (time > most ? time : most));
  const ms = Number((BigInt(play.market_time) - newest_) / 1_000_000n);
  return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`;
}

function shown(status: Status): Shown {
  const finals = book().entries().filter(({ bar }) => bar.final);
  const known = finals.some(({ bar }) => bar.complete !== undefined);
  const whole = finals.filter(({ bar }) => bar.complete).length;
  return { lag: lagText(status), finals: known ? finals.length : 0, whole };
}

async function showFigures(): Promise<void> {
  const query = queryFor(view, instruments);
  if (view.page !== 'figures' || document.hidden || !query || !live.book.last()) return;
  await figures.show(query, rangeOf(view), zone);
}

async function showPipeline(): Promise<void> {
  if (view.page === 'pipeline' && !document.hidden) await pipeline.show();
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
  return { zone, withSeconds, places: book().places(), withDate: view.interval === '1h' };
}

function shownEntry(): Entry | null {
  if (pointedEmpty) return null;
  return pointed ? (book().find(pointed.time) ?? null) : newest.last;
}

/** What is said of the bar, or of the time without one. */
function pointedTexts(): BarText[] {
  if (pointedEmpty) return emptyTexts(pointedEmpty, barStyle(), view.session);
  const shown = shownEntry();
  return shown ? barTexts(shown, barStyle()) : [];
}

function showLegend(): void {
  const shown = shownEntry();
  legend.show(pointedTexts(), barStyle(), (key) => (shown ? studyAt(shown.bar, key) : null));
}

function showBars(): void {
  showWaiting();
  void hours.cover(book().times());
  void empties.cover(book().times());
  showLegend();
  numbers.show(book(), barStyle());
  prints.setStyle(zone, book().places());
}

/** What is said over the chart: why it is empty, or that it is no longer kept up to date. */
function showWaiting(): void {
  const empty = book().last() === undefined;
  const play = live.status()?.play;
  const connected = live.connection() === 'live';
  byId('chart-empty').hidden = !empty;
  setText(
    byId('chart-empty'),
    showsPast() ? 'No bars of these dates.' : emptyText(connected ? play?.state : undefined),
  );
  byId('stale').hidden = connected || empty || !play || showsPast();
  if (!play) return;
  const now = secondsOf(play.market_time);
  setText(
    byId('stale'),
    `Not connected: what you see ends at ${zone.clock(now, true)} ${zone.abbreviation(now)}.`,
  );
}

/** The last price of the instrument that is shown, and how far it is from its basis. */
function showLast(): void {
  const query = live.query();
  const chosen = instruments.find(({ series }) => series === query?.series);
  const row = lasts.get(chosen?.series ?? '') ?? null;
  const price = row && row.price !== null ? priceText(row.price) : '';
  const name = chosen?.instrument ?? '';
  document.title = [name, price, name ? '· tapedeck' : 'tapedeck'].filter(Boolean).join(' ');
  setText(byId('view-last'), price);
  setText(byId('view-change'), changeText(row));
  byId('view-change').dataset.direction = directionOf(row);
  setText(byId('view-basis'), basisText(row));
}

function showDay(series: string): void {
  if (series === live.query()?.series) showFacts(byId('day'), dayFacts(quotes.get(series) ?? null));
}

/** The trades that made one bar. */
function showTradesOf({ time, bar }: Entry): void {
  const end = BigInt(bar.ts_open) + BigInt(intervalSeconds(view.interval)) * 1_000_000_000n;
  const withSeconds = intervalSeconds(view.interval) < 60;
  void prints.showBar(zone.clock(time, withSeconds), bar.ts_open, String(end));
}

async function loadInstruments(): Promise<void> {
  const answer = await getInstruments();
  // A new run may not know any yet: what was known stays until it does.
  if (answer.ok && answer.value.instruments.length > 0) {
    instruments = answer.value.instruments;
    showIntervals(answer.value.bars);
    if (routes.size === 0) showRoutes(await getRoutes(), await isViewer());
    watch.setInstruments(instruments);
    figures.setInstruments(instruments);
    for (const last of lasts.values()) watch.setLast(last);
    rounds.setSeries(instruments.map(({ series }) => series));
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

function showIntervals(bars: readonly BarSeries[] | undefined): void {
  const kept = intervalsOf(bars);
  keepsRegular = (bars ?? []).some(({ session }) => session === 'regular');
  intervals.offer(kept.map((value) => ({ value, text: value, hint: `Bars of ${value}` })));
  keptBars = bars;
  view = { ...view, ...nearestKept(view, bars) };
}

/** Puts on the page what this program offers. */
function showRoutes(offered: ReadonlySet<Route>, viewer: boolean): void {
  routes = new Set([...offered].filter((route) => !viewer || !route.startsWith('POST ')));
  transport.setRoutes(routes);
  byId('to-data').hidden = !routes.has('GET /api/v1/sql');
  prints.offer(routes.has('GET /api/v1/trades'));
}

async function askQuotes(): Promise<void> {
  const status = live.status();
  if (document.hidden || live.connection() !== 'live' || !status) return;
  const { conditions: wanted, session } = view;
  const today = { start: zone.date(secondsOf(status.play.market_time)), tz: zone.name };
  const durable = status.tape.durable_offset;
  // Few bars tell of a day, but not of more than the day so far.
  const short = (keptBars ?? [])
    .filter(({ interval }) => intervalSeconds(interval) <= 3600)
    .sort((left, right) => intervalSeconds(right.interval) - intervalSeconds(left.interval));
  const which = nearestKept({ interval: '15m', conditions: wanted, session }, short);
  await rounds.round(which, today, status.play.run, durable);
}

function showColours(): void {
  chart.setTheme();
  figures.setTheme();
  void showFigures();
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
  showColours();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showColours);
byId('chart').addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (chart.key(event.key)) event.preventDefault();
});
byId('chart').addEventListener('blur', () => chart.clearCursor());
byId('to-live').addEventListener('click', () => chart.toLive());
byId('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the fragment is the view's
  byId('chart').focus();
});
for (const form of ['controls', 'figures-form']) {
  byId(form).addEventListener('submit', (event) => event.preventDefault());
}
addEventListener('online', () => live.retryNow());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) live.retryNow();
});
addEventListener('hashchange', () => {
  view = viewFrom(location.hash);
  showChoice();
});
setInterval(() => void askQuotes(), kQuotesMs);
setInterval(() => void showPipeline(), kPipelineMs);
setInterval(() => void showFigures(), kQuotesMs);
tameMenus();

/** For tests and scripts: what the page holds. Copies; nothing here changes the page. */
const hook = Object.freeze({
  bars: (): Bar[] => book().entries().map(({ bar }) => ({ ...bar })),
  /** What is drawn of one study, by the API's name of its column. */
  study: (key: string) => chart.studyPoints(key),
  /** When what the newest painted bar holds was known; null before the first one. */
  painted: () => newest.last?.bar.ts_known ?? null,
  state: () => ({
    connection: live.connection(),
    query: live.query() && { ...live.query(), indicators: live.studies().join(',') },
    run: live.run(),
    offset: live.offset(),
    counters: { ...live.counters },
    status: structuredClone(live.status()),
  }),
});
Object.defineProperty(window, 'tapedeck', { value: hook });

showThemeName();
showPage();
deck.showConnection(live.connection(), '');
live.watchLast();
live.start();
// The first one need not wait for the socket's second.
void getStatus().then((answer) => {
  if (answer.ok && live.status() === null) takeStatus(answer.value);
});
void loadInstruments();
