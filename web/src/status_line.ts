// web/src/status_line.ts: the last line of the page: can I trust what I see, and is it all there?

import { byId, make, setText } from './dom';
import { formatBytes } from './facts';
import { formatCount } from './format';
import { quarantineText } from './play_text';
import type { Status } from './types';

export interface StatusItem {
  name: string;
  value: string;
  /** Explains the name, or lists what the value sums up. */
  hint: string;
  /** Something that a person should look at. */
  alarm?: boolean;
}

/** What is known of the bars that are shown. */
export interface Shown {
  /** "0.4 s": how far the newest trade is behind the market's clock; empty if not known. */
  lag: string;
  finals: number;
  whole: number;
}

/** Feeds, what is durable, what was refused, and room on the disk. */
export function statusItems(status: Status, shown: Shown): StatusItem[] {
  const items: StatusItem[] = status.feeds.map((feed) => ({
    name: `Feed ${feed.id}`,
    value: feed.state,
    hint: `${formatCount(feed.events)} events, ${formatCount(feed.duplicates)} duplicates`,
    alarm: feed.state === 'failed',
  }));
  if (shown.lag) {
    items.push({ name: 'Lag', value: shown.lag, hint: 'How far the newest trade is behind the market' });
  }
  if (shown.finals > 0) {
    const whole = shown.whole === shown.finals;
    items.push({
      name: 'Coverage',
      value: whole ? `all ${formatCount(shown.finals)} bars whole` : `${shown.whole} of ${shown.finals}`,
      hint:
        'Final bars of this chart for which nothing that came was left out. Gaps in the ids of the ' +
        'venue are not watched for yet.',
      alarm: !whole,
    });
  }
  items.push({
    name: 'Durable',
    value: formatCount(status.tape.durable_offset),
    hint: 'Events that are safely on the tape: they survive a crash',
  });
  items.push({
    name: 'Refused',
    value: formatCount(status.quarantine.total),
    hint: quarantineText(status.quarantine),
    alarm: status.quarantine.total !== '0',
  });
  const troubled = status.tape.state !== 'writing' || status.tape.damaged.length > 0;
  items.push({
    name: 'Tape',
    value: troubled ? status.tape.state.replaceAll('_', ' ') : formatBytes(status.tape.bytes),
    hint: [status.tape.message, ...status.tape.damaged].filter(Boolean).join(' ') || 'Writing',
    alarm: troubled,
  });
  return items;
}

export class StatusLine {
  private readonly root_ = byId('status');
  private readonly items_: HTMLElement[] = [];

  show(items: readonly StatusItem[]): void {
    while (this.items_.length > items.length) this.items_.pop()!.remove();
    while (this.items_.length < items.length) {
      const item = make('div');
      item.append(make('dt'), make('dd'));
      this.root_.append(item);
      this.items_.push(item);
    }
    items.forEach(({ name, value, hint, alarm }, index) => {
      const item = this.items_[index]!;
      item.title = hint;
      item.dataset.alarm = String(alarm === true);
      setText(item.firstElementChild!, name);
      setText(item.lastElementChild!, value);
    });
  }
}
