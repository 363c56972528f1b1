// web/src/selection.ts: what the page shows, kept in its address, to be shared and reloaded.

import { kKeptIntervals, type BarQuery, type Instrument } from './types';

export type View = Omit<BarQuery, 'series'> & { series: string | null };

export const kDefaultView: View = {
  series: null,
  interval: '1m',
  conditions: 'eligible',
  session: 'extended',
};

/** From an address's fragment; what it does not say, or says wrongly, is the default. */
export function viewFrom(fragment: string): View {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const interval = kKeptIntervals.find((known) => known === fields.get('interval'));
  return {
    series: fields.get('series'),
    interval: interval ?? kDefaultView.interval,
    conditions: fields.get('conditions') === 'all' ? 'all' : 'eligible',
    session: fields.get('session') === 'regular' ? 'regular' : 'extended',
  };
}

/** Only what differs from the default is said. */
export function fragmentOf(view: View): string {
  const fields = new URLSearchParams();
  if (view.series) fields.set('series', view.series);
  for (const key of ['interval', 'conditions', 'session'] as const) {
    if (view[key] !== kDefaultView[key]) fields.set(key, view[key]);
  }
  const text = fields.toString();
  return text ? `#${text}` : '';
}

/** The bars to ask for; the first instrument when the wanted one is not there. Null without any. */
export function queryFor(view: View, instruments: readonly Instrument[]): BarQuery | null {
  const chosen = instruments.find(({ series }) => series === view.series) ?? instruments[0];
  return chosen ? { ...view, series: chosen.series } : null;
}
