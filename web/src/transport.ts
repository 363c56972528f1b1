// web/src/transport.ts: the keys of the deck: pause, speed, restart, jump. Each is there only where
// the program offers it.

import type { Answer } from './api';
import { byId, make, setText } from './dom';
import { formatSpeed } from './format';
import type { Route } from './routes';
import { secondsOf, type Zone } from './time';
import type { Play } from './types';

export interface PlayOrders {
  pause(): Promise<Answer<unknown>>;
  resume(): Promise<Answer<unknown>>;
  restart(): Promise<Answer<unknown>>;
  speed(speed: number): Promise<Answer<unknown>>;
  jump(seconds: number): Promise<Answer<unknown>>;
}

const kSpeeds = [1, 5, 20, 60, 300, 1_000, 10_000];

export class Transport {
  private readonly pause_ = byId<HTMLButtonElement>('pause');
  private readonly restart_ = byId<HTMLButtonElement>('restart');
  private readonly speedField_ = byId('speed-field');
  private readonly speed_ = byId<HTMLSelectElement>('speed');
  private readonly speedText_ = byId('play-speed');
  private readonly jump_ = byId<HTMLInputElement>('jump');
  private routes_: ReadonlySet<Route> = new Set();
  private play_: Play | null = null;
  private zone_: Zone | null = null;
  private isPlay_ = false;
  /** While a hand is on the slider, the play does not move it. */
  private held_ = false;

  constructor(
    orders: PlayOrders,
    private readonly problem_: (text: string) => void,
  ) {
    this.pause_.addEventListener('click', () => {
      const paused = this.play_?.paused ?? false;
      this.order(this.pause_, paused ? 'Resume' : 'Pause', () =>
        paused ? orders.resume() : orders.pause(),
      );
    });
    this.restart_.addEventListener('click', () =>
      this.order(this.restart_, 'Restart', () => orders.restart()),
    );
    this.speed_.addEventListener('change', () =>
      this.order(this.speed_, 'Speed', () => orders.speed(Number(this.speed_.value))),
    );
    this.jump_.addEventListener('input', () => {
      this.held_ = true;
      this.sayTime();
    });
    this.jump_.addEventListener('change', () => {
      this.order(this.jump_, 'Jump', () => orders.jump(Number(this.jump_.value)));
      this.held_ = false;
    });
  }

  setRoutes(routes: ReadonlySet<Route>): void {
    this.routes_ = routes;
    if (this.play_ && this.zone_) this.show(this.play_, this.zone_, this.isPlay_);
  }

  /** `isPlay`: it is one of its own, and not a pipeline that takes in what comes. */
  show(play: Play, zone: Zone, isPlay: boolean): void {
    this.play_ = play;
    this.zone_ = zone;
    this.isPlay_ = isPlay;
    const has = (name: string): boolean =>
      isPlay && this.routes_.has(`POST /api/v1/play/${name}`);
    this.pause_.hidden = !(has('pause') && has('resume'));
    this.pause_.disabled = play.state === 'ended' || play.state === 'failed';
    setText(this.pause_, play.paused ? 'Resume' : 'Pause');
    this.restart_.hidden = !has('restart');
    this.restart_.classList.toggle('button-primary', play.state === 'ended');
    this.speedField_.hidden = !has('speed');
    this.speedText_.hidden = has('speed') || !isPlay;
    setText(this.speedText_, formatSpeed(play.speed));
    this.showSpeeds(play.speed);
    this.showJump(play, has('jump'));
  }

  private showSpeeds(speed: number): void {
    const speeds = [...new Set([...kSpeeds, speed])].sort((a, b) => a - b);
    const shown = [...this.speed_.options].map(({ value }) => Number(value));
    if (speeds.join() !== shown.join()) {
      this.speed_.replaceChildren(
        ...speeds.map((value) => {
          const option = make('option', '', formatSpeed(value));
          option.value = String(value);
          return option;
        }),
      );
    }
    if (document.activeElement !== this.speed_) this.speed_.value = String(speed);
  }

  private showJump(play: Play, offered: boolean): void {
    const [start, end] = [secondsOf(play.start_time), secondsOf(play.end_time)];
    this.jump_.hidden = !offered || end <= start;
    if (this.jump_.hidden || this.held_) return;
    this.jump_.min = String(start);
    this.jump_.max = String(end);
    this.jump_.step = '60';
    this.jump_.value = String(secondsOf(play.market_time));
    this.sayTime();
  }

  private sayTime(): void {
    if (!this.zone_) return;
    const time = Number(this.jump_.value);
    const text = `${this.zone_.clock(time)} ${this.zone_.abbreviation(time)}`;
    this.jump_.setAttribute('aria-valuetext', text);
    this.jump_.title = text;
  }

  private order(
    control: HTMLButtonElement | HTMLSelectElement | HTMLInputElement,
    name: string,
    send: () => Promise<Answer<unknown>>,
  ): void {
    control.disabled = true;
    void send().then((answer) => {
      control.disabled = false;
      control.focus();
      this.problem_(answer.ok ? '' : `${name} did not work: ${answer.failure.message}`);
    });
  }
}
