// web/src/study_menu.ts: which indicators to draw, and with which lengths.

import { byId, make } from './dom';
import {
  kStudyForms,
  kStudyKinds,
  linesOf,
  standardStudy,
  studiesOfText,
  textOfStudies,
  type Study,
  type StudyKind,
} from './studies';

interface Row {
  on: HTMLInputElement;
  numbers: HTMLInputElement | null;
}

export class StudyMenu {
  private readonly rows_ = new Map<StudyKind, Row>();

  constructor(private readonly onChoose_: (studies: Study[]) => void) {
    const root = byId('control-indicators');
    for (const kind of kStudyKinds) root.append(this.row(kind));
  }

  set(studies: readonly Study[]): void {
    for (const [kind, { on, numbers }] of this.rows_) {
      const chosen = studies.filter((study) => study.kind === kind);
      on.checked = chosen.length > 0;
      if (!numbers || document.activeElement === numbers) continue;
      if (chosen.length > 0) numbers.value = textOfStudies(chosen);
    }
  }

  private row(kind: StudyKind): HTMLElement {
    const { title, fields } = kStudyForms[kind];
    const row = make('div', 'study');
    const label = make('label', 'study-name');
    const on = make('input');
    on.type = 'checkbox';
    on.name = kind;
    on.addEventListener('change', () => this.tell());
    const { tone, dash } = linesOf([standardStudy(kind)]).find(({ drawn }) => drawn === 'line')!;
    label.append(on, make('span', `study-key study-key-${tone} study-key-${dash}`), title);
    row.append(label);
    let numbers: HTMLInputElement | null = null;
    if (fields.length > 0) {
      numbers = make('input', 'field study-numbers');
      numbers.type = 'text';
      numbers.inputMode = 'decimal';
      numbers.autocomplete = 'off';
      numbers.value = textOfStudies([standardStudy(kind)]);
      const hint =
        fields.length === 1
          ? `${title}, length; up to three, as in 20 50 200`
          : `${title}: ${fields.map(({ name }) => name).join(', ')}`;
      numbers.setAttribute('aria-label', hint);
      numbers.title = hint;
      numbers.addEventListener('change', () => {
        on.checked = true;
        this.tell();
      });
      row.append(numbers);
    }
    this.rows_.set(kind, { on, numbers });
    return row;
  }

  /** What is written wrongly is marked and draws nothing. */
  private tell(): void {
    const studies: Study[] = [];
    for (const [kind, { on, numbers }] of this.rows_) {
      const written = numbers
        ? studiesOfText(kind, numbers.value)
        : ([{ kind, numbers: [] }] as Study[]);
      numbers?.setAttribute('aria-invalid', String(written === null));
      if (on.checked && written) studies.push(...written);
    }
    this.onChoose_(studies);
  }
}
