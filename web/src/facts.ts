// web/src/facts.ts: short lists of names and values: the day so far, what a stage says of itself.

import { make, setText } from './dom';
import { formatCount, formatDecimal } from './format';
import { vwapText } from './legend';
import type { Quote } from './quotes';
import type { Status } from './types';

export interface Fact {
  name: string;
  value: string;
  /** A part of the fact above it. */
  part?: boolean;
}

export function dayFacts(quote: Quote | null): Fact[] {
  const price = (key: 'open' | 'high' | 'low' | 'last'): string =>
    quote ? formatDecimal(quote[key], { minPlaces: quote.places }) : '–';
  return [
    { name: 'Open', value: price('open') },
    { name: 'High', value: price('high') },
    { name: 'Low', value: price('low') },
    { name: 'Last', value: price('last') },
    { name: 'VWAP', value: quote ? vwapText(quote.notional, quote.volume) : '–' },
    { name: 'Volume', value: quote ? formatDecimal(quote.volume) : '–' },
    { name: 'Trades', value: quote ? formatCount(quote.trades) : '–' },
    { name: 'Left out', value: quote ? formatCount(quote.excluded) : '–' },
  ];
}

/** How much room there is, and for how long where that is soon. */
export function freeDisk(tape: Status['tape']): string {
  const room = formatBytes(tape.free_bytes);
  const days = tape.days_until_full;
  return days === null || days > 365 ? room : `${room}, ${days.toFixed(days < 10 ? 1 : 0)} days`;
}

const kByteUnits = ['bytes', 'kB', 'MB', 'GB', 'TB'];

export function formatBytes(bytes: string | number): string {
  let value = Number(bytes);
  let unit = 0;
  for (; value >= 1000 && unit < kByteUnits.length - 1; ++unit) value /= 1000;
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${kByteUnits[unit]}`;
}

/** Writes `facts` into a dl, and only what differs. */
export function showFacts(list: HTMLElement, facts: readonly Fact[]): void {
  while (list.children.length > facts.length) list.lastElementChild!.remove();
  while (list.children.length < facts.length) {
    const item = make('div', 'fact');
    item.append(make('dt'), make('dd'));
    list.append(item);
  }
  facts.forEach(({ name, value, part }, index) => {
    const item = list.children[index]!;
    item.classList.toggle('fact-part', part === true);
    setText(item.firstElementChild!, name);
    setText(item.lastElementChild!, value);
  });
}
