// web/src/deck.ts: what follows the status: clock, label, tape strip, status line, announcements.

import { byId, make, setText } from './dom';
import type { Connection } from './live';
import { connectionText, noticeText, playText } from './play_text';
import { StatusLine, statusItems, type Shown } from './status_line';
import { roundTimes, secondsOf, type Zone } from './time';
import type { Play, Status } from './types';

export class Deck {
  private readonly clock_ = byId<HTMLTimeElement>('clock');
  private readonly clockZone_ = byId('clock-zone');
  private readonly state_ = byId('play-state');
  private readonly connection_ = byId('connection');
  private readonly label_ = byId('label');
  private readonly kind_ = byId('label-kind');
  private readonly what_ = byId('label-what');
  private readonly origin_ = byId('label-origin');
  private readonly end_ = byId('label-end');
  private readonly strip_ = byId('strip');
  private readonly played_ = byId('strip-played');
  private readonly ticks_ = byId('strip-ticks');
  private readonly notice_ = byId('notice');
  private readonly version_ = byId('version');
  private readonly announce_ = byId('announce');
  private readonly line_ = new StatusLine();
  private problem_ = '';

  private said_ = { state: '', connection: '' as Connection | '', run: 0 };
  private ticksFor_ = '';

  showConnection(connection: Connection, refusal: string): void {
    this.connection_.dataset.state = connection;
    setText(this.connection_, connectionText(connection));
    const notice = noticeText(connection, refusal);
    setText(this.notice_, notice);
    this.notice_.hidden = notice === '';
    const before = this.said_.connection;
    this.said_.connection = connection;
    if (connection === 'reconnecting') this.say('Connection lost, reconnecting');
    else if (connection === 'live' && before === 'reconnecting') this.say('Connected again');
    this.turnReels();
  }

  showStatus(status: Status, zone: Zone, shown: Shown): void {
    const { play } = status;
    const now = secondsOf(play.market_time);
    const started = play.state !== 'loading' || BigInt(play.market_time) > 0n;
    setText(this.clock_, started ? zone.clock(now, true) : '--:--:--');
    this.clock_.dateTime = new Date(now * 1000).toISOString();
    setText(this.clockZone_, zone.abbreviation(now));
    this.clockZone_.title = zone.name;
    setText(this.state_, play.state);
    this.state_.dataset.state = play.state;
    setText(this.version_, `tapedeck ${status.version} · ${status.mode}`);
    this.showLabel(play);
    this.showStrip(play, zone);
    this.line_.show(statusItems(status, shown));
    this.sayState(play);
    this.turnReels();
  }

  /** For those who listen instead of looking; used sparingly. */
  say(text: string): void {
    setText(this.announce_, text);
  }

  /** Why an order to the play did not work; empty once one did. */
  showProblem(text: string): void {
    this.problem_ = text;
    this.showEnd(text);
    if (text) this.say(text);
  }

  private showEnd(text: string): void {
    this.end_.hidden = text === '';
    setText(this.end_, text);
  }

  private showLabel(play: Play): void {
    const text = playText(play);
    // A pipeline that runs live has nothing to say here.
    this.label_.hidden = play.label !== 'recorded' && play.label !== 'simulated';
    this.label_.dataset.label = play.label;
    setText(this.kind_, text.kind);
    this.showWhat(text.what, play.date);
    setText(this.origin_, text.origin);
    this.showEnd(this.problem_ || text.end);
  }

  /** The date is not to be broken over two lines. */
  private showWhat(text: string, date: string): void {
    if (this.what_.textContent === text) return;
    const at = date ? text.indexOf(date) : -1;
    if (at < 0) {
      setText(this.what_, text);
      return;
    }
    const time = make('time', 'nowrap', date);
    this.what_.replaceChildren(text.slice(0, at), time, text.slice(at + date.length));
  }

  private showStrip(play: Play, zone: Zone): void {
    const [start, end] = [secondsOf(play.start_time), secondsOf(play.end_time)];
    const span = end - start;
    this.strip_.hidden = span <= 0;
    if (span <= 0) return;
    const now = Math.min(Math.max(secondsOf(play.market_time), start), end);
    const percent = ((now - start) / span) * 100;
    this.played_.style.width = `${percent.toFixed(2)}%`;
    this.strip_.setAttribute('aria-valuenow', percent.toFixed(0));
    this.strip_.setAttribute('aria-valuetext', `${zone.clock(now)} ${zone.abbreviation(now)}`);
    const key = `${start}/${end}/${zone.name}`;
    if (key === this.ticksFor_) return;
    this.ticksFor_ = key;
    this.ticks_.replaceChildren(
      ...roundTimes(start, end, zone, 18).map((time) => {
        const tick = make('span', 'strip-tick', zone.clock(time));
        tick.style.left = `${(((time - start) / span) * 100).toFixed(3)}%`;
        return tick;
      }),
    );
  }

  private sayState(play: Play): void {
    const { state, run } = this.said_;
    if (run !== 0 && play.run !== run) this.say('Restarted from the beginning');
    else if (state !== play.state) {
      const { end } = playText(play);
      if (end) this.say(end);
    }
    this.said_.state = play.state;
    this.said_.run = play.run;
  }

  /** The reels turn while the tape plays and we hear of it; the gauges pale when we do not. */
  private turnReels(): void {
    const { state, connection } = this.said_;
    const connected = connection === 'live';
    document.documentElement.dataset.reels = state === 'playing' && connected ? 'turning' : 'still';
    document.documentElement.dataset.stale = String(!connected);
  }
}
