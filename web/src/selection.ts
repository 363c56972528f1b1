// web/src/selection.ts: what the page shows, kept in its address, to be shared and reloaded.

import { defaultStudies, parseStudies, type Study, studiesText } from './studies';
import { intervalSeconds } from './time';
import type { BarQuery, BarSeries, Instrument, Interval } from './types';

export const kPages = ['chart', 'figures', 'pipeline', 'data'] as const;
export type Page = (typeof kPages)[number];
export type Kind = 'candles' | 'line';

export interface View extends Omit<BarQuery, 'series'> {
  page: Page;
  series: string | null;
  kind: Kind;
  /** Dates of the exchange, both included; empty: from the first bar on, up to now. */
  from: string;
  to: string;
  studies: Study[];
}

export const kDefaultView: View = {
  page: 'chart',
  series: null,
  interval: '1m',
  conditions: 'eligible',
  session: 'extended',
  kind: 'candles',
  from: '',
  to: '',
  studies: defaultStudies(),
};

const kInterval = /^[1-9]\d?[smhd]$/;
// What a program keeps that does not say.
const kUsual: readonly Interval[] = ['1m', '5m', '15m', '1h'];

/** The intervals of which bars of trades are kept, the shortest first. */
export function intervalsOf(bars: readonly BarSeries[] | undefined): Interval[] {
  const kept = (bars ?? []).filter(({ source }) => source === 'trades');
  const intervals = [...new Set(kept.map(({ interval }) => interval))];
  if (intervals.length === 0) return [...kUsual];
  return intervals.sort((left, right) => intervalSeconds(left) - intervalSeconds(right));
}

type Choice = Pick<View, 'interval' | 'conditions' | 'session'>;

/** The kept bars that are nearest to a view: what was just changed counts most. */
export function nearestKept(
  view: Choice,
  bars: readonly BarSeries[] | undefined,
  changed: Partial<Choice> = {},
): Choice {
  const weights = { interval: 4, conditions: 2, session: 1 } as const;
  let best: Choice = view;
  let bestScore = -1;
  for (const kept of bars ?? []) {
    if (kept.source !== 'trades') continue;
    let score = 0;
    for (const key of ['interval', 'conditions', 'session'] as const) {
      if (kept[key] === view[key]) score += weights[key] * (key in changed ? 8 : 1);
    }
    if (score <= bestScore) continue;
    best = { interval: kept.interval, conditions: kept.conditions, session: kept.session };
    bestScore = score;
  }
  return best;
}

const kDate = /^\d{4}-\d\d-\d\d$/;

/** From an address's fragment; what it does not say, or says wrongly, is the default. */
export function viewFrom(fragment: string): View {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const interval = fields.get('interval') ?? '';
  const date = (name: string): string => {
    const text = fields.get(name) ?? '';
    return kDate.test(text) ? text : '';
  };
  const studies = fields.get('studies');
  return {
    page: kPages.find((known) => known === fields.get('page')) ?? 'chart',
    series: fields.get('series'),
    interval: kInterval.test(interval) ? interval : kDefaultView.interval,
    conditions: fields.get('conditions') === 'all' ? 'all' : 'eligible',
    session: fields.get('session') === 'regular' ? 'regular' : 'extended',
    kind: fields.get('kind') === 'line' ? 'line' : 'candles',
    from: date('from'),
    to: date('to'),
    studies: studies === null ? defaultStudies() : parseStudies(studies),
  };
}

/** Only what differs from the default is said. */
export function fragmentOf(view: View): string {
  const fields = new URLSearchParams();
  if (view.page !== 'chart') fields.set('page', view.page);
  if (view.series) fields.set('series', view.series);
  for (const key of ['interval', 'conditions', 'session', 'kind', 'from', 'to'] as const) {
    if (view[key] !== kDefaultView[key]) fields.set(key, view[key]);
  }
  const studies = studiesText(view.studies);
  if (studies !== studiesText(kDefaultView.studies)) fields.set('studies', studies);
  const text = fields.toString();
  return text ? `#${text}` : '';
}

/** The bars to ask for; the first instrument when the wanted one is not there. Null without any. */
export function queryFor(view: View, instruments: readonly Instrument[]): BarQuery | null {
  const chosen = instruments.find(({ series }) => series === view.series) ?? instruments[0];
  if (!chosen) return null;
  const { interval, conditions, session } = view;
  return { series: chosen.series, interval, conditions, session };
}
