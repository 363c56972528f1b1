// web/src/controls.ts: choices of which one holds. Native radio buttons, so the keyboard works.

import { make } from './dom';

export interface Choice<Value extends string> {
  value: Value;
  text: string;
  hint: string;
}

export class Segments<Value extends string> {
  private readonly inputs_ = new Map<Value, HTMLInputElement>();

  constructor(
    fieldset: HTMLElement,
    name: string,
    choices: readonly Choice<Value>[],
    onChoose: (value: Value) => void,
  ) {
    const row = make('div', 'segments-row');
    for (const { value, text, hint } of choices) {
      const label = make('label', 'segment');
      label.title = hint;
      const input = make('input', 'sr-only');
      input.type = 'radio';
      input.name = name;
      input.value = value;
      input.addEventListener('change', () => onChoose(value));
      label.append(input, make('span', '', text));
      row.append(label);
      this.inputs_.set(value, input);
    }
    fieldset.append(row);
  }

  set(value: Value): void {
    const input = this.inputs_.get(value);
    if (input) input.checked = true;
  }
}
