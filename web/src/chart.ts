// web/src/chart.ts: candles or a line, volume, studies, sessions, and marks at revised bars. With
// figures.ts the only one that sees the charting library's series.
//
// Draws at most once per frame of the screen, however fast bars come. Doubles appear only here, to
// place pixels; every number that is written out comes from the bar's own text.

import {
  CandlestickSeries,
  createChartEx,
  createSeriesMarkers,
  CrosshairMode,
  HistogramSeries,
  LineSeries,
  LineStyle,
  type CandlestickData,
  type HistogramData,
  type IChartApiBase,
  type IHorzScaleBehavior,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type LineData,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from 'lightweight-charts';

import { tickLabel, zonedScale } from './axis';
import { studyAt, type BarBook, type BarChange, type Entry } from './bars';
import type { EmptyTime } from './empty_times';
import type { Kind } from './selection';
import { extendedRuns, sessionShade, type SessionOf } from './sessions';
import type { StudyLine, StudyPane } from './studies';
import { resolveColours, type Colours } from './theme';
import { intervalSeconds, type Zone } from './time';
import type { DecimalText, Interval } from './types';

export interface Newest {
  last: Entry | null;
  /** The newest close, which may be of a bar before the last. */
  close: DecimalText | null;
}

export interface ChartEvents {
  /** The bar under the crosshair, or the time without one; both null when there is neither. */
  point(entry: Entry | null, empty: EmptyTime | null, byKeyboard: boolean): void;
  /** A bar was clicked, or Enter pressed on it. */
  chosen(entry: Entry): void;
  /** Whether the newest bar is in view. */
  follows(live: boolean): void;
  /** In the frame in which new data are painted. */
  drawn(newest: Newest): void;
}

interface DrawnStudy {
  line: StudyLine;
  series: ISeriesApi<'Line', Time> | ISeriesApi<'Histogram', Time>;
}

const kLineStyles = {
  solid: LineStyle.Solid,
  dashed: LineStyle.Dashed,
  dotted: LineStyle.Dotted,
} as const;

const kVolumePane = 1;
const kBarSpacing = 8;
const kRightMarginBars = 6;
// In bars from the right edge: above it the newest bar counts as in view.
const kFollowsFrom = -2;
// Replacing all data is cheaper than that many single updates.
const kSingleUpdatesMax = 200;

export class BarChart {
  private readonly chart_: IChartApiBase<Time>;
  private readonly candles_: ISeriesApi<'Candlestick', Time>;
  private readonly closes_: ISeriesApi<'Line', Time>;
  private readonly volumes_: ISeriesApi<'Histogram', Time>;
  private readonly marks_: ISeriesMarkersPluginApi<Time>[];
  private readonly studies_ = new Map<string, DrawnStudy>();
  private kind_: Kind = 'candles';
  private sessionOf_: SessionOf = () => 'unknown';
  /** Times without a bar: a place on the axis each, ascending. */
  private empty_: readonly EmptyTime[] = [];
  private emptyByTime_ = new Map<number, EmptyTime>();
  // Of bars and of places without one; made when asked for.
  private axis_: readonly number[] = [];
  private axisOf_: readonly unknown[] = [];
  private colours_: Colours;
  private pending_ = new Set<number>();
  private rebuild_ = false;
  private backToLive_ = false;
  private scheduled_ = false;
  private drawnLast_ = -Infinity;
  private places_ = 2;
  private lastPrice_: IPriceLine | null = null;
  private cursor_: number | null = null;
  private marksDrawn_ = '';

  constructor(
    host: HTMLElement,
    private book_: BarBook,
    private zone_: Zone,
    private readonly events_: ChartEvents,
  ) {
    this.colours_ = resolveColours();
    this.chart_ = createChartEx<Time, IHorzScaleBehavior<Time>>(
      host,
      zonedScale(() => this.zone_),
      {
        autoSize: true,
        // The attribution stands in the footer; the library's logo would need an inline style.
        layout: { attributionLogo: false, fontSize: 12, panes: { enableResize: false } },
        crosshair: { mode: CrosshairMode.Normal },
        timeScale: { barSpacing: kBarSpacing, rightOffset: kRightMarginBars, minBarSpacing: 0.5 },
        rightPriceScale: { borderVisible: false, minimumWidth: 64, entireTextOnly: true },
        localization: { timeFormatter: (time: Time) => this.crosshairLabel(time as number) },
      } as object,
    );
    this.candles_ = this.chart_.addSeries(CandlestickSeries, {
      // A line of our own says whether the bar is still in the making.
      priceLineVisible: false,
      lastValueVisible: false,
    });
    this.closes_ = this.chart_.addSeries(LineSeries, {
      lineWidth: 2,
      priceLineVisible: false,
      lastValueVisible: false,
      visible: false,
    });
    this.volumes_ = this.chart_.addSeries(
      HistogramSeries,
      { priceFormat: { type: 'volume' }, priceLineVisible: false, lastValueVisible: false },
      kVolumePane,
    );
    this.marks_ = [createSeriesMarkers(this.candles_), createSeriesMarkers(this.closes_)];
    this.shade(0);
    this.shade(kVolumePane);
    this.stretch();
    this.chart_.subscribeCrosshairMove((move) => {
      if (this.cursor_ !== null && !move.sourceEvent) return; // our own doing
      this.cursor_ = null;
      this.tellPoint(typeof move.time === 'number' ? move.time : NaN, false);
    });
    this.chart_.subscribeClick(({ time }) => {
      const entry = typeof time === 'number' ? this.book_.find(time) : undefined;
      if (entry) this.events_.chosen(entry);
    });
    this.chart_.timeScale().subscribeVisibleLogicalRangeChange(() => this.tellFollows());
    this.setTheme();
  }

  setZone(zone: Zone): void {
    this.zone_ = zone;
    // Another function: the library keeps what the last one said.
    this.chart_.applyOptions({ timeScale: { tickMarkFormatter: this.tickFormatter() } } as object);
    this.rebuild_ = true;
    this.schedule();
  }

  /** Shows the bars of another book from now on. */
  setBook(book: BarBook): void {
    if (this.book_ === book) return;
    this.book_ = book;
    this.backToLive_ = true;
    this.reset();
  }

  setKind(kind: Kind): void {
    this.kind_ = kind;
    this.candles_.applyOptions({ visible: kind === 'candles' });
    this.closes_.applyOptions({ visible: kind === 'line' });
    this.lastPrice_ = null;
    for (const series of [this.candles_, this.closes_]) {
      for (const line of series.priceLines()) series.removePriceLine(line);
    }
    this.schedule();
  }

  setSessions(sessionOf: SessionOf): void {
    this.sessionOf_ = sessionOf;
    this.rebuild_ = true;
    this.schedule();
  }

  /** Gives each of these times a place on the axis, where there is no bar. */
  setEmpty(empty: readonly EmptyTime[]): void {
    if (empty.length === 0 && this.empty_.length === 0) return;
    this.empty_ = empty;
    this.emptyByTime_ = new Map(empty.map((one) => [one.time, one]));
    this.rebuild_ = true;
    this.schedule();
  }

  /** Draws these studies, from the values that the bars come with. */
  setStudies(lines: readonly StudyLine[]): void {
    const wanted = new Set(lines.map(({ key }) => key));
    // A pane goes with its last series, and the panes below it move up.
    for (const [key, { series }] of this.studies_) {
      if (wanted.has(key)) continue;
      this.chart_.removeSeries(series);
      this.studies_.delete(key);
    }
    for (const line of lines) {
      if (this.studies_.has(line.key)) continue;
      this.addStudy(line);
      this.rebuild_ = true;
      this.schedule();
    }
    this.stretch();
  }

  /** What is drawn of one study; null where it has no value. */
  studyPoints(key: string): { time: number; value: number | null }[] {
    const data = this.studies_.get(key)?.series.data() ?? [];
    return data.map((one) => ({
      time: one.time as number,
      value: 'value' in one ? one.value : null,
    }));
  }

  setInterval(interval: Interval): void {
    const secondsVisible = intervalSeconds(interval) < 60;
    this.chart_.applyOptions({ timeScale: { secondsVisible } } as object);
  }

  setTheme(): void {
    this.colours_ = resolveColours();
    const { text, line, grid, panel, cross, font, up, down } = this.colours_;
    this.chart_.applyOptions({
      layout: {
        background: { color: panel },
        textColor: text,
        fontFamily: font,
        panes: { separatorColor: line, separatorHoverColor: line },
      },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: {
        vertLine: { color: cross, labelBackgroundColor: cross },
        horzLine: { color: cross, labelBackgroundColor: cross },
      },
      timeScale: {
        borderColor: line,
        timeVisible: true,
        tickMarkFormatter: this.tickFormatter(),
      },
    } as object);
    // A bar that rose is hollow, one that fell is full: colour is not all that tells them apart.
    this.candles_.applyOptions({
      upColor: this.colours_.upHollow,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
    });
    this.closes_.applyOptions({ color: this.colours_.strong });
    for (const { line, series } of this.studies_.values()) {
      series.applyOptions({ color: this.colours_[line.tone] });
    }
    this.rebuild_ = true;
    this.schedule();
  }

  /** The book was replaced as a whole. */
  reset(): void {
    this.rebuild_ = true;
    if (this.book_.entries().length === 0) this.backToLive_ = true;
    this.cursor_ = null;
    this.schedule();
  }

  apply(change: BarChange): void {
    if (change.inserted) this.rebuild_ = true;
    for (const entry of change.changed) this.pending_.add(entry.time);
    this.schedule();
  }

  toLive(): void {
    this.clearCursor();
    this.chart_.timeScale().scrollToPosition(kRightMarginBars, false);
  }

  /** True when the key was one of the chart's. */
  key(key: string): boolean {
    const axis = this.axisTimes();
    const last = axis.length - 1;
    const at = this.cursor_ ?? last + 1;
    switch (key) {
      case 'ArrowLeft':
        this.moveCursor(Math.max(at - 1, 0));
        return true;
      case 'ArrowRight':
        this.moveCursor(Math.min(at + 1, last));
        return true;
      case 'Home':
        this.moveCursor(0);
        return true;
      case 'End':
        this.moveCursor(last);
        return true;
      case '+':
      case '=':
      case '-': {
        const scale = this.chart_.timeScale();
        const spacing = scale.options().barSpacing * (key === '-' ? 0.8 : 1.25);
        scale.applyOptions({ barSpacing: Math.min(Math.max(spacing, 1), 60) });
        return true;
      }
      case 'Enter': {
        const entry = this.book_.find(axis[Math.min(at, last)] ?? NaN);
        if (entry) this.events_.chosen(entry);
        return true;
      }
      case 'Escape':
        this.toLive();
        return true;
      default:
        return false;
    }
  }

  clearCursor(): void {
    if (this.cursor_ === null) return;
    this.cursor_ = null;
    this.chart_.clearCrosshairPosition();
    this.events_.point(null, null, true);
  }

  private tellPoint(time: number, byKeyboard: boolean): void {
    const entry = this.book_.find(time) ?? null;
    const empty = entry ? null : (this.emptyByTime_.get(time) ?? null);
    this.events_.point(entry, empty, byKeyboard);
  }

  /** The times of all places on the axis, ascending. */
  private axisTimes(): readonly number[] {
    const times = this.book_.times();
    if (this.empty_.length === 0) return times;
    if (this.axisOf_[0] !== times || this.axisOf_[1] !== this.empty_) {
      this.axisOf_ = [times, this.empty_];
      // The newest place is always that of a bar: the next one is added behind it.
      const last = times[times.length - 1] ?? -Infinity;
      const between = this.empty_.filter(({ time }) => time < last);
      const all = new Set([...times, ...between.map(({ time }) => time)]);
      this.axis_ = [...all].sort((a, b) => a - b);
    }
    return this.axis_;
  }

  /** Of a place without a bar: as its neighbours are. */
  private sessionAt(index: number): ReturnType<SessionOf> {
    const axis = this.axisTimes();
    const isBar = (at: number): boolean => axis[at] !== undefined && !this.emptyByTime_.has(axis[at]);
    if (isBar(index) || this.book_.find(axis[index]!)) return this.sessionOf_(axis[index]!);
    let before = index;
    while (before >= 0 && !isBar(before)) --before;
    let after = index;
    while (after < axis.length && !isBar(after)) ++after;
    const [one, other] = [before, after].map((at) => this.sessionOf_(axis[at] ?? NaN));
    return one === other ? one! : 'unknown';
  }

  private moveCursor(index: number): void {
    const time = this.axisTimes()[index];
    if (time === undefined) return;
    this.cursor_ = index;
    const scale = this.chart_.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range && (index < range.from || index > range.to)) {
      const width = range.to - range.from;
      scale.setVisibleLogicalRange({ from: index - width / 2, to: index + width / 2 });
    }
    const close = this.book_.closeBefore(time);
    if (close !== null) {
      const series = this.kind_ === 'candles' ? this.candles_ : this.closes_;
      this.chart_.setCrosshairPosition(Number(close), time as UTCTimestamp, series);
    }
    this.tellPoint(time, true);
  }

  private schedule(): void {
    if (this.scheduled_) return;
    this.scheduled_ = true;
    requestAnimationFrame(() => {
      this.scheduled_ = false;
      this.draw();
    });
  }

  private draw(): void {
    const entries = this.book_.entries();
    const scale = this.chart_.timeScale();
    const position = scale.scrollPosition();
    if (this.rebuild_ || this.pending_.size > kSingleUpdatesMax) {
      this.candles_.setData(
        this.axisTimes().map((time) => {
          const entry = this.book_.find(time);
          return entry ? this.candle(entry) : { time: time as UTCTimestamp };
        }),
      );
      this.closes_.setData(entries.map((entry) => this.close(entry)));
      this.volumes_.setData(entries.map((entry) => this.volume(entry)));
      for (const { line, series } of this.studies_.values()) {
        series.setData(entries.map((entry) => this.studyData(line, entry)));
      }
    } else {
      for (const time of [...this.pending_].sort((a, b) => a - b)) {
        const entry = this.book_.find(time);
        if (!entry) continue;
        const historical = time < this.drawnLast_;
        this.candles_.update(this.candle(entry), historical);
        this.closes_.update(this.close(entry), historical);
        this.volumes_.update(this.volume(entry), historical);
        for (const { line, series } of this.studies_.values()) {
          series.update(this.studyData(line, entry), historical);
        }
      }
    }
    this.setMarks();
    this.drawnLast_ = this.book_.last()?.time ?? -Infinity;
    this.rebuild_ = false;
    this.pending_.clear();
    this.setPlaces();
    const last = this.book_.last() ?? null;
    const close = this.book_.closeAt(Infinity);
    this.setLastPrice(close);
    if (this.backToLive_ && entries.length > 0) {
      this.backToLive_ = false;
      this.toLive();
    } else if (position > kFollowsFrom) {
      // Many bars at once would leave the newest out of view.
      scale.scrollToPosition(position, false);
    }
    this.tellFollows();
    // The library paints in the next frame; what is written beside it belongs to the same one.
    requestAnimationFrame(() => this.events_.drawn({ last, close }));
  }

  private setPlaces(): void {
    const places = this.book_.places();
    if (places === this.places_) return;
    this.places_ = places;
    const priceFormat = { type: 'price', precision: places, minMove: 10 ** -places } as const;
    for (const series of [this.candles_, this.closes_]) series.applyOptions({ priceFormat });
    for (const { line, series } of this.studies_.values()) {
      if (line.pane === 'price') series.applyOptions({ priceFormat });
    }
  }

  private setLastPrice(close: DecimalText | null): void {
    const series = this.kind_ === 'candles' ? this.candles_ : this.closes_;
    if (close === null) {
      if (this.lastPrice_) series.removePriceLine(this.lastPrice_);
      this.lastPrice_ = null;
      return;
    }
    const price = Number(close);
    const color = this.book_.last()?.bar.final ? this.colours_.cross : this.colours_.lamp;
    if (this.lastPrice_) this.lastPrice_.applyOptions({ price, color });
    else
      this.lastPrice_ = series.createPriceLine({
        price,
        color,
        lineStyle: LineStyle.Dotted,
        lineWidth: 1,
      });
  }

  private tellFollows(): void {
    const empty = this.book_.entries().length === 0;
    this.events_.follows(empty || this.chart_.timeScale().scrollPosition() > kFollowsFrom);
  }

  private candle({ time, bar }: Entry): CandlestickData<Time> | WhitespaceData<Time> {
    const at = time as UTCTimestamp;
    if (bar.open === null || bar.high === null || bar.low === null || bar.close === null) {
      return { time: at };
    }
    const [open, close] = [Number(bar.open), Number(bar.close)];
    const candle: CandlestickData<Time> = {
      time: at,
      open,
      high: Number(bar.high),
      low: Number(bar.low),
      close,
    };
    // Still in the making: lit.
    if (!bar.final) {
      candle.borderColor = candle.wickColor = this.colours_.lamp;
      candle.color = close >= open ? this.colours_.upHollow : this.colours_.lamp;
    }
    return candle;
  }

  private close({ time, bar }: Entry): LineData<Time> | WhitespaceData<Time> {
    const at = time as UTCTimestamp;
    return bar.close === null ? { time: at } : { time: at, value: Number(bar.close) };
  }

  /** A dot under each bar that was corrected after it was final. */
  private setMarks(): void {
    const marks = this.book_.revised().map(
      (time): SeriesMarker<Time> => ({
        time: time as UTCTimestamp,
        position: 'belowBar',
        shape: 'circle',
        size: 0.3,
        color: this.colours_.lamp,
      }),
    );
    const key = marks.map(({ time }) => time).join(' ') + this.colours_.lamp;
    if (key === this.marksDrawn_) return;
    this.marksDrawn_ = key;
    for (const plugin of this.marks_) plugin.setMarkers(marks);
  }

  private addStudy(line: StudyLine): void {
    const options = {
      color: this.colours_[line.tone],
      priceLineVisible: false,
      lastValueVisible: false,
    };
    const pane = this.paneOf(line.pane);
    const series =
      line.drawn === 'histogram'
        ? this.chart_.addSeries(HistogramSeries, options, pane)
        : this.chart_.addSeries(
            LineSeries,
            {
              ...options,
              lineWidth: 1,
              lineStyle: kLineStyles[line.dash],
              crosshairMarkerVisible: false,
            },
            pane,
          );
    for (const price of line.guides) {
      series.createPriceLine({
        price,
        color: this.colours_.neutralSoft,
        lineStyle: LineStyle.Dotted,
        lineWidth: 1,
        axisLabelVisible: false,
      });
    }
    this.studies_.set(line.key, { line, series });
  }

  /** The pane that has a study of that kind already, or the next one. */
  private paneOf(pane: StudyPane): number {
    if (pane === 'price') return 0;
    for (const { line, series } of this.studies_.values()) {
      if (line.pane === pane) return series.getPane().paneIndex();
    }
    return this.chart_.panes().length;
  }

  private stretch(): void {
    this.chart_.panes().forEach((pane, index) => pane.setStretchFactor(index === 0 ? 5 : 1.2));
  }

  private shade(pane: number): void {
    const scale = this.chart_.timeScale();
    const runs = (): [number, number][] => {
      const range = scale.getVisibleLogicalRange();
      if (!range) return [];
      const count = this.axisTimes().length;
      return extendedRuns(count, Math.floor(range.from), Math.ceil(range.to), (at) =>
        this.sessionAt(at),
      );
    };
    this.chart_
      .panes()
      [pane]?.attachPrimitive(sessionShade(scale, runs, () => this.colours_.shade));
  }

  private studyData(
    line: StudyLine,
    { time, bar }: Entry,
  ): LineData<Time> | HistogramData<Time> | WhitespaceData<Time> {
    const at = time as UTCTimestamp;
    const text = studyAt(bar, line.key);
    if (text === null) return { time: at };
    const value = Number(text);
    if (line.drawn !== 'histogram') return { time: at, value };
    return { time: at, value, color: value >= 0 ? this.colours_.upSoft : this.colours_.downSoft };
  }

  private volume({ time, bar }: Entry): HistogramData<Time> {
    const { upSoft, downSoft, neutralSoft } = this.colours_;
    const color =
      bar.open === null || bar.close === null
        ? neutralSoft
        : Number(bar.close) >= Number(bar.open)
          ? upSoft
          : downSoft;
    return { time: time as UTCTimestamp, value: Number(bar.volume), color };
  }

  private tickFormatter(): (time: Time, kind: number) => string {
    const zone = this.zone_;
    return (time, kind) => tickLabel(time as number, kind, zone);
  }

  private crosshairLabel(time: number): string {
    const zone = this.zone_;
    const clock = zone.clock(time, this.secondsVisible());
    return `${zone.day(time)}  ${clock} ${zone.abbreviation(time)}`;
  }

  private secondsVisible(): boolean {
    return this.chart_.timeScale().options().secondsVisible;
  }
}
