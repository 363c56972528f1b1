// web/src/figures_page.ts: four numbers, four pictures and the rows below them, of chosen dates: the
// view that a plain dashboard gives. Its numbers are those of the API's bars and indicators.

import {
  CandlestickSeries,
  createChartEx,
  HistogramSeries,
  LineSeries,
  LineStyle,
  type IChartApiBase,
  type IHorzScaleBehavior,
  type ISeriesApi,
  type SeriesType,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';

import type { Answer, BarRange } from './api';
import { tickLabel, zonedScale } from './axis';
import { BarBook, studyAt, type Entry } from './bars';
import { byId, make, setText } from './dom';
import {
  compare,
  formatCount,
  formatDecimal,
  parseDecimal,
  percentChange,
  subtract,
  type Decimal,
} from './format';
import { resolveColours } from './theme';
import { intervalSeconds, type Zone } from './time';
import type { Bar, BarQuery, BarsAnswer, DecimalText, Instrument } from './types';

export interface FiguresWorld {
  fetch(
    query: BarQuery,
    range: BarRange,
    studies: readonly string[],
  ): Promise<Answer<BarsAnswer>>;
  choose(series: string): void;
}

export interface Figure {
  name: string;
  value: string;
  hint: string;
  direction?: 'up' | 'down';
}

const kStudies = ['sma(20)', 'ema(20)'] as const;
const kBarsMax = 2_000;
const kRowsMax = 100;

/** Price, change, high and low. Exact; the change is that of the last bar alone. */
export function figuresOf(bars: readonly Bar[], places: number): Figure[] {
  const priced = bars.filter(({ close }) => close !== null);
  const last = priced[priced.length - 1];
  const style = { minPlaces: places };
  const best = (key: 'high' | 'low', sign: number): Decimal | null =>
    priced.reduce<Decimal | null>((found, bar) => {
      const one = parseDecimal(bar[key] ?? '');
      return one && (!found || compare(one, found) * sign > 0) ? one : found;
    }, null);
  const text = (value: Decimal | null): string => (value ? formatDecimal(value, style) : '–');
  const [open, close] = [parseDecimal(last?.open ?? ''), parseDecimal(last?.close ?? '')];
  const change = open && close ? subtract(close, open) : null;
  const percent = open && close ? percentChange(open, close) : null;
  const moved: Figure = {
    name: 'Change of the last bar',
    value:
      change && percent
        ? `${formatDecimal(change, { ...style, signed: true })} ` +
          `(${formatDecimal(percent, { signed: true, minPlaces: 2 })}%)`
        : '–',
    hint: 'Its close less its open',
  };
  if (change && change.mantissa !== 0n) moved.direction = change.mantissa > 0n ? 'up' : 'down';
  if (moved.direction) moved.value = `${moved.direction === 'up' ? '▲' : '▼'} ${moved.value}`;
  return [
    { name: 'Current price', value: text(close), hint: 'The last close' },
    moved,
    { name: 'High', value: text(best('high', 1)), hint: 'Of all bars shown here' },
    { name: 'Low', value: text(best('low', -1)), hint: 'Of all bars shown here' },
  ];
}

type Chart = IChartApiBase<Time>;
type AnySeries = ISeriesApi<SeriesType, Time>;

interface Picture {
  chart: Chart;
  series: AnySeries[];
}

export class FiguresPage {
  private readonly select_ = byId<HTMLSelectElement>('figures-series');
  private readonly numbers_ = byId('figures-numbers');
  private readonly rows_ = byId('figures-rows');
  private readonly note_ = byId('figures-note');
  private readonly csv_ = byId<HTMLAnchorElement>('figures-csv');
  private readonly book_ = new BarBook();
  private pictures_: Picture[] = [];
  private zone_: Zone | null = null;
  private asked_ = '';
  private busy_ = false;

  constructor(private readonly world_: FiguresWorld) {
    this.select_.addEventListener('change', () => world_.choose(this.select_.value));
  }

  setInstruments(instruments: readonly Instrument[]): void {
    this.select_.replaceChildren(
      ...instruments.map(({ series, instrument }) => {
        const option = make('option', '', instrument);
        option.value = series;
        return option;
      }),
    );
  }

  /** Asks for the bars and shows them; again when called again. */
  async show(query: BarQuery, range: BarRange, zone: Zone): Promise<void> {
    const asked = JSON.stringify([query, range, zone.name]);
    if (this.busy_ && asked === this.asked_) return;
    const anew = asked !== this.asked_;
    this.asked_ = asked;
    this.zone_ = zone;
    this.select_.value = query.series;
    this.csv_.href = csvAddress(query, range, zone);
    this.busy_ = true;
    const answer = await this.world_.fetch(query, { ...range, limit: kBarsMax }, kStudies);
    if (asked !== this.asked_) return;
    this.busy_ = false;
    setText(this.note_, answer.ok ? noteText(query, answer.value.bars) : answer.failure.message);
    if (!answer.ok) return;
    this.book_.reset(answer.value.bars);
    this.draw(query, anew);
  }

  setTheme(): void {
    for (const { chart } of this.pictures_) chart.remove();
    this.pictures_ = [];
    this.asked_ = '';
  }

  private draw(query: BarQuery, anew: boolean): void {
    if (this.pictures_.length === 0) this.makePictures();
    const entries = this.book_.entries();
    const bars = entries.map(({ bar }) => bar);
    const places = this.book_.places();
    this.drawNumbers(figuresOf(bars, places));
    const at = ({ time }: Entry): { time: UTCTimestamp } => ({ time: time as UTCTimestamp });
    const closes = entries.map((entry) =>
      entry.bar.close === null ? at(entry) : { ...at(entry), value: Number(entry.bar.close) },
    );
    const study = (name: string): object[] =>
      entries.map((entry) => {
        const text = studyAt(entry.bar, name);
        return text === null ? at(entry) : { ...at(entry), value: Number(text) };
      });
    const candles = entries.map((entry) => {
      const { open, high, low, close } = entry.bar;
      if (open === null || high === null || low === null || close === null) return at(entry);
      return {
        ...at(entry),
        open: Number(open),
        high: Number(high),
        low: Number(low),
        close: Number(close),
      };
    });
    const volumes = entries.map((entry) => ({ ...at(entry), value: Number(entry.bar.volume) }));
    const data = [[closes], [candles], [closes, ...kStudies.map(study)], [volumes]];
    const priceFormat = { type: 'price', precision: places, minMove: 10 ** -places };
    this.pictures_.forEach(({ chart, series }, index) => {
      series.forEach((one, which) => {
        one.setData(data[index]![which]! as never);
        if (index < 3) one.applyOptions({ priceFormat } as never);
      });
      const secondsVisible = intervalSeconds(query.interval) < 60;
      chart.applyOptions({ timeScale: { secondsVisible } } as object);
      if (anew) chart.timeScale().fitContent();
    });
    this.drawRows(entries);
  }

  private drawNumbers(figures: readonly Figure[]): void {
    while (this.numbers_.children.length < figures.length) {
      const item = make('div', 'figure-number card');
      item.append(make('dt'), make('dd'));
      this.numbers_.append(item);
    }
    figures.forEach(({ name, value, hint, direction }, index) => {
      const item = this.numbers_.children[index] as HTMLElement;
      item.title = hint;
      item.dataset.direction = direction ?? '';
      setText(item.firstElementChild!, name);
      setText(item.lastElementChild!, value);
    });
  }

  private drawRows(entries: readonly Entry[]): void {
    const zone = this.zone_!;
    const places = { minPlaces: this.book_.places() };
    const price = (text: DecimalText | null): string =>
      text === null ? '–' : formatDecimal(text, places);
    const rows = entries.slice(-kRowsMax).reverse();
    while (this.rows_.children.length > rows.length) this.rows_.lastElementChild!.remove();
    while (this.rows_.children.length < rows.length) {
      const row = make('tr');
      for (let cell = 0; cell < 7; ++cell) row.append(make('td'));
      this.rows_.append(row);
    }
    rows.forEach(({ time, bar }, index) => {
      const texts = [
        `${zone.date(time)} ${zone.clock(time, true)}`,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        formatDecimal(bar.volume),
        formatCount(bar.trades),
      ];
      const row = this.rows_.children[index]!;
      texts.forEach((text, at) => setText(row.children[at]!, text));
    });
  }

  private makePictures(): void {
    const colours = resolveColours();
    const { up, down, strong, text, study1, study2, upHollow, line, grid } = colours;
    const plain = { priceLineVisible: false, lastValueVisible: false } as const;
    const chartIn = (id: string): Chart =>
      createChartEx<Time, IHorzScaleBehavior<Time>>(byId<HTMLElement>(id), zonedScale(() => this.zone_!), {
        autoSize: true,
        layout: {
          attributionLogo: false,
          fontSize: 12,
          background: { color: colours.panel },
          textColor: colours.text,
          fontFamily: colours.font,
        },
        grid: { vertLines: { color: grid }, horzLines: { color: grid } },
        rightPriceScale: { borderVisible: false, minimumWidth: 64 },
        timeScale: {
          borderColor: line,
          timeVisible: true,
          minBarSpacing: 0.1,
          tickMarkFormatter: (time: Time, kind: number) =>
            tickLabel(time as number, kind, this.zone_!),
        },
        localization: {
          timeFormatter: (time: Time) =>
            `${this.zone_!.day(time as number)}  ${this.zone_!.clock(time as number)}`,
        },
      } as object);
    const closeLine = {
      ...plain,
      color: strong,
      lineWidth: 1,
      pointMarkersVisible: true,
      pointMarkersRadius: 1.5,
    } as const;
    const [first, second, third, fourth] = ['close', 'candles', 'means', 'volume'].map((name) =>
      chartIn(`figure-${name}`),
    ) as [Chart, Chart, Chart, Chart];
    this.pictures_ = [
      { chart: first, series: [first.addSeries(LineSeries, closeLine)] },
      {
        chart: second,
        series: [
          second.addSeries(CandlestickSeries, {
            ...plain,
            upColor: upHollow,
            borderUpColor: up,
            wickUpColor: up,
            downColor: down,
            borderDownColor: down,
            wickDownColor: down,
          }),
        ],
      },
      {
        chart: third,
        series: [
          third.addSeries(LineSeries, { ...plain, color: strong, lineWidth: 1 }),
          third.addSeries(LineSeries, { ...plain, color: study1, lineWidth: 2 }),
          third.addSeries(LineSeries, {
            ...plain,
            color: study2,
            lineWidth: 2,
            lineStyle: LineStyle.Dashed,
          }),
        ],
      },
      {
        chart: fourth,
        series: [
          fourth.addSeries(HistogramSeries, {
            ...plain,
            color: text,
            priceFormat: { type: 'volume' },
          }),
        ],
      },
    ] as Picture[];
    // All bars stay in view, however wide the window becomes.
    for (const { chart } of this.pictures_) {
      chart.timeScale().subscribeSizeChange(() => chart.timeScale().fitContent());
    }
  }
}

function noteText({ interval }: BarQuery, bars: readonly Bar[]): string {
  if (bars.length === 0) return 'No bars of these dates.';
  const newest = bars.length >= kBarsMax ? 'the newest ' : '';
  return `${newest}${formatCount(bars.length)} bars of ${interval}`;
}

/** The same rows as a file. */
function csvAddress(query: BarQuery, range: BarRange, zone: Zone): string {
  const fields = new URLSearchParams({ ...query, ...(range as Record<string, string>) });
  fields.set('format', 'csv');
  fields.set('time', 'iso');
  fields.set('tz', zone.name);
  return `api/v1/bars?${fields}`;
}
