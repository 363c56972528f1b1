// web/src/range.ts: which dates to show: two fields, wherever they stand, and a way back to the
// newest bars.

import { byId, setText } from './dom';

export interface Dates {
  /** Dates of the exchange, both included; empty: not bounded. */
  from: string;
  to: string;
}

/** A pair of fields that are kept in order. */
export class DateFields {
  private readonly from_: HTMLInputElement;
  private readonly to_: HTMLInputElement;

  constructor(prefix: string, onChoose: (dates: Dates) => void) {
    this.from_ = byId(`${prefix}-from`);
    this.to_ = byId(`${prefix}-to`);
    const tell = (): void => {
      const [from, to] = [this.from_.value, this.to_.value];
      const backwards = from !== '' && to !== '' && from > to;
      this.to_.setCustomValidity(backwards ? 'This date is before the first one.' : '');
      if (backwards) this.to_.reportValidity();
      else onChoose({ from, to });
    };
    this.from_.addEventListener('change', tell);
    this.to_.addEventListener('change', tell);
  }

  set({ from, to }: Dates): void {
    if (document.activeElement !== this.from_) this.from_.value = from;
    if (document.activeElement !== this.to_) this.to_.value = to;
  }
}

export class RangeMenu {
  private readonly menu_ = byId<HTMLDetailsElement>('menu-range');
  private readonly summary_ = byId('range-summary');
  private readonly fields_: DateFields;

  constructor(onChoose: (dates: Dates) => void) {
    this.fields_ = new DateFields('range', onChoose);
    byId('range-live').addEventListener('click', () => {
      this.menu_.open = false;
      this.summary_.focus();
      onChoose({ from: '', to: '' });
    });
  }

  set(dates: Dates): void {
    this.fields_.set(dates);
    setText(this.summary_, rangeText(dates));
  }
}

/** What stands on the button. */
export function rangeText({ from, to }: Dates): string {
  if (!from && !to) return 'Live';
  if (from === to) return from;
  if (!to) return `from ${from}`;
  return from ? `${from} to ${to}` : `up to ${to}`;
}
