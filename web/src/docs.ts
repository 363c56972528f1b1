// web/src/docs.ts: all that a document runs: it is light or dark as the dashboard is.

import { storedTheme } from './theme';

document.documentElement.dataset.theme = storedTheme();
