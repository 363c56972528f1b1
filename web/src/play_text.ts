// web/src/play_text.ts: what the page says about the recording, in words.

import type { Connection } from './live';
import { formatSpeed } from './format';
import type { Play, Status } from './types';

export interface PlayText {
  /** RECORDED or SIMULATED. */
  kind: string;
  what: string;
  origin: string;
  /** That the play is over, and why; empty while it is not. */
  end: string;
}

export function playText(play: Play): PlayText {
  const simulated = play.label === 'simulated';
  const of = play.date ? ` of ${play.date}` : '';
  const title = play.title ? `: ${play.title}` : '';
  const pace = play.speed > 0 ? `, played at ${formatSpeed(play.speed)}` : '';
  const speed = play.paused ? ', standing still' : pace;
  return {
    kind: simulated ? 'Simulated' : 'Recorded',
    what: simulated
      ? `Simulated data${of}${speed}${title}. No market made these prices.`
      : `Recorded market data${of}${speed}${title}.`,
    origin: [play.source && `Source: ${play.source}`, play.licence && `Licence: ${play.licence}`]
      .filter(Boolean)
      .join(' · '),
    end: endText(play, simulated),
  };
}

function endText(play: Play, simulated: boolean): string {
  if (play.state === 'ended')
    return `This is the end of the ${simulated ? 'simulation' : 'recording'}.`;
  if (play.state === 'failed') return `Playing stopped: ${play.error ?? 'no reason was given'}`;
  return '';
}

const kConnectionTexts: Record<Connection, string> = {
  idle: 'starting',
  connecting: 'connecting…',
  live: 'live',
  reconnecting: 'reconnecting…',
  refused: 'refused',
  unauthorised: 'signed out',
};

export function connectionText(connection: Connection): string {
  return kConnectionTexts[connection];
}

/** Why there is no bar to draw; `state` is unknown while there is no connection. */
export function emptyText(state: Play['state'] | undefined): string {
  if (state === undefined || state === 'loading') return 'Waiting for bars…';
  return state === 'playing' ? 'No trade yet in this view.' : 'No trade of this view was played.';
}

/** What keeps the page from showing data, and what to do about it. Empty when nothing does. */
export function noticeText(connection: Connection, refusal: string): string {
  if (connection === 'unauthorised') {
    return (
      'This page is not signed in, or tapedeck was started anew. ' +
      'Open the address that the program printed at its start.'
    );
  }
  if (connection === 'refused') return `The server refuses this view: ${refusal}`;
  return '';
}

/** Reasons in words with their counts, the most frequent first. */
export function refusals(quarantine: Status['quarantine']): [reason: string, count: string][] {
  return Object.entries(quarantine.reasons)
    .sort(([, left], [, right]) => Number(BigInt(right) - BigInt(left)))
    .map(([reason, count]) => [reason.replaceAll('_', ' '), count]);
}

/** "3 refused: 2 bad price, 1 unknown symbol", the most frequent first. */
export function quarantineText(quarantine: Status['quarantine']): string {
  const reasons = refusals(quarantine).map(([reason, count]) => `${count} ${reason}`);
  return `${quarantine.total} refused${reasons.length > 0 ? `: ${reasons.join(', ')}` : ''}`;
}
