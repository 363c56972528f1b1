// web/src/chart.ts: candles and volume. The only module that sees the charting library's series.
//
// Draws at most once per frame of the screen, however fast bars come. Doubles appear only here, to
// place pixels; every number that is written out comes from the bar's own text.

import {
  CandlestickSeries,
  createChartEx,
  CrosshairMode,
  HistogramSeries,
  LineStyle,
  type CandlestickData,
  type HistogramData,
  type IChartApiBase,
  type IHorzScaleBehavior,
  type IPriceLine,
  type ISeriesApi,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from 'lightweight-charts';

import { tickLabel, zonedScale } from './axis';
import type { BarBook, BarChange, Entry } from './bars';
import { resolveColours, type Colours } from './theme';
import { intervalSeconds, type Zone } from './time';
import type { DecimalText, Interval } from './types';

export interface Newest {
  last: Entry | null;
  /** The newest close, which may be of a bar before the last. */
  close: DecimalText | null;
}

export interface ChartEvents {
  /** The bar under the crosshair, or null when there is none. */
  point(entry: Entry | null, byKeyboard: boolean): void;
  /** Whether the newest bar is in view. */
  follows(live: boolean): void;
  /** In the frame in which new data are painted. */
  drawn(newest: Newest): void;
}

const kBarSpacing = 8;
const kRightMarginBars = 6;
// In bars from the right edge: above it the newest bar counts as in view.
const kFollowsFrom = -2;
// Replacing all data is cheaper than that many single updates.
const kSingleUpdatesMax = 200;

export class BarChart {
  private readonly chart_: IChartApiBase<Time>;
  private readonly candles_: ISeriesApi<'Candlestick', Time>;
  private readonly volumes_: ISeriesApi<'Histogram', Time>;
  private colours_: Colours;
  private pending_ = new Set<number>();
  private rebuild_ = false;
  private backToLive_ = false;
  private scheduled_ = false;
  private drawnLast_ = -Infinity;
  private places_ = 2;
  private lastPrice_: IPriceLine | null = null;
  private cursor_: number | null = null;

  constructor(
    host: HTMLElement,
    private readonly book_: BarBook,
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
    this.volumes_ = this.chart_.addSeries(
      HistogramSeries,
      { priceFormat: { type: 'volume' }, priceLineVisible: false, lastValueVisible: false },
      1,
    );
    this.chart_.panes()[0]?.setStretchFactor(4);
    this.chart_.panes()[1]?.setStretchFactor(1);
    this.chart_.subscribeCrosshairMove((move) => {
      if (this.cursor_ !== null && !move.sourceEvent) return; // our own doing
      this.cursor_ = null;
      const entry = typeof move.time === 'number' ? this.book_.find(move.time) : undefined;
      this.events_.point(entry ?? null, false);
    });
    this.chart_.timeScale().subscribeVisibleLogicalRangeChange(() => this.tellFollows());
    this.setTheme();
  }

  setZone(zone: Zone): void {
    this.zone_ = zone;
    this.rebuild_ = true;
    this.schedule();
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
        tickMarkFormatter: (time: Time, kind: number) =>
          tickLabel(time as number, kind, this.zone_),
      },
    } as object);
    this.candles_.applyOptions({
      upColor: up,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
    });
    this.rebuild_ = true;
    this.schedule();
  }

  /** The book was replaced as a whole. */
  reset(): void {
    this.rebuild_ = true;
    this.backToLive_ = true;
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
    const entries = this.book_.entries();
    const last = entries.length - 1;
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
    this.events_.point(null, true);
  }

  private moveCursor(index: number): void {
    const entry = this.book_.entries()[index];
    if (!entry) return;
    this.cursor_ = index;
    const scale = this.chart_.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range && (index < range.from || index > range.to)) {
      const width = range.to - range.from;
      scale.setVisibleLogicalRange({ from: index - width / 2, to: index + width / 2 });
    }
    const close = this.book_.closeAt(index);
    if (close !== null) {
      this.chart_.setCrosshairPosition(Number(close), entry.time as UTCTimestamp, this.candles_);
    }
    this.events_.point(entry, true);
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
      this.candles_.setData(entries.map((entry) => this.candle(entry)));
      this.volumes_.setData(entries.map((entry) => this.volume(entry)));
    } else {
      for (const time of [...this.pending_].sort((a, b) => a - b)) {
        const entry = this.book_.find(time);
        if (!entry) continue;
        const historical = time < this.drawnLast_;
        this.candles_.update(this.candle(entry), historical);
        this.volumes_.update(this.volume(entry), historical);
      }
    }
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
    this.candles_.applyOptions({
      priceFormat: { type: 'price', precision: places, minMove: 10 ** -places },
    });
  }

  private setLastPrice(close: DecimalText | null): void {
    if (close === null) {
      if (this.lastPrice_) this.candles_.removePriceLine(this.lastPrice_);
      this.lastPrice_ = null;
      return;
    }
    const price = Number(close);
    const color = this.book_.last()?.bar.final ? this.colours_.cross : this.colours_.lamp;
    if (this.lastPrice_) this.lastPrice_.applyOptions({ price, color });
    else
      this.lastPrice_ = this.candles_.createPriceLine({
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
    // Still in the making: hollow.
    if (!bar.final)
      candle.color = close >= open ? this.colours_.upHollow : this.colours_.downHollow;
    return candle;
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

  private crosshairLabel(time: number): string {
    const zone = this.zone_;
    const clock = zone.clock(time, this.secondsVisible());
    return `${zone.day(time)}  ${clock} ${zone.abbreviation(time)}`;
  }

  private secondsVisible(): boolean {
    return this.chart_.timeScale().options().secondsVisible;
  }
}
