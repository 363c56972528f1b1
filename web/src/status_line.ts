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

/** Feeds, what is durable, what was refused, and room on the disk. */
export function statusItems(status: Status): StatusItem[] {
  const items: StatusItem[] = status.feeds.map((feed) => ({
    name: `Feed ${feed.id}`,
    value: feed.state,
    hint: `${formatCount(feed.events)} events, ${formatCount(feed.duplicates)} duplicates`,
    alarm: feed.state === 'failed',
  }));
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
