// web/src/theme.ts: light, dark or as the system; and the style sheet's colours for the canvas.

export type Theme = 'auto' | 'light' | 'dark';

const kKey = 'tapedeck-theme';
const kNext: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

export function storedTheme(): Theme {
  try {
    const theme = localStorage.getItem(kKey);
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
  } catch {
    return 'auto'; // storage is switched off
  }
}

export function nextTheme(theme: Theme): Theme {
  return kNext[theme];
}

export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(kKey, theme);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

export interface Colours {
  text: string;
  line: string;
  grid: string;
  panel: string;
  cross: string;
  lamp: string;
  up: string;
  down: string;
  upSoft: string;
  downSoft: string;
  neutralSoft: string;
  upHollow: string;
  strong: string;
  shade: string;
  study1: string;
  study2: string;
  study3: string;
  study4: string;
  font: string;
}

/** The custom properties of app.css as colours that a canvas understands. */
export function resolveColours(): Colours {
  const probe = document.createElement('span');
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    text: colour('text-dim'),
    line: colour('line'),
    grid: colour('grid'),
    panel: colour('panel'),
    cross: colour('cross'),
    lamp: colour('lamp'),
    up: colour('up'),
    down: colour('down'),
    upSoft: colour('up-soft'),
    downSoft: colour('down-soft'),
    neutralSoft: colour('neutral-soft'),
    upHollow: colour('panel'),
    strong: colour('text'),
    shade: colour('shade'),
    study1: colour('study-1'),
    study2: colour('study-2'),
    study3: colour('study-3'),
    study4: colour('study-4'),
    font: getComputedStyle(document.body).fontFamily,
  };
  probe.remove();
  return colours;
}
