// web/src/facts.ts: short lists of names and values beside the chart: the day so far, and the tape.

import { make, setText } from './dom';
import { formatCount, formatDecimal } from './format';
import { vwapText } from './legend';
import { refusals } from './play_text';
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
function freeDisk(tape: Status['tape']): string {
  const room = formatBytes(tape.free_bytes);
  const days = tape.days_until_full;
  return days === null || days > 365 ? room : `${room}, ${days.toFixed(days < 10 ? 1 : 0)} days`;
}

/** What is on the tape, what each feed brought, and what was refused and why. */
export function tapeFacts(status: Status): Fact[] {
  const facts: Fact[] = [
    { name: 'Durable events', value: formatCount(status.tape.durable_offset) },
    { name: 'Size', value: formatBytes(status.tape.bytes) },
    { name: 'Free disk', value: freeDisk(status.tape) },
  ];
  if (status.tape.message) facts.push({ name: 'Tape', value: status.tape.message });
  for (const damage of status.tape.damaged) facts.push({ name: 'Damaged', value: damage });
  for (const feed of status.feeds) {
    facts.push(
      { name: `Feed ${feed.id}`, value: feed.state },
      { name: 'Events', value: formatCount(feed.events), part: true },
      { name: 'Duplicates', value: formatCount(feed.duplicates), part: true },
      { name: 'Refused', value: formatCount(feed.refused), part: true },
    );
  }
  facts.push({ name: 'In quarantine', value: formatCount(status.quarantine.total) });
  for (const [reason, count] of refusals(status.quarantine)) {
    facts.push({ name: reason, value: formatCount(count), part: true });
  }
  return facts;
}

const kByteUnits = ['bytes', 'kB', 'MB', 'GB', 'TB'];

export function formatBytes(text: string): string {
  let value = Number(text);
  let unit = 0;
  for (; value >= 1000 && unit < kByteUnits.length - 1; ++unit) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${kByteUnits[unit]}`;
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
