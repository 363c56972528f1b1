// web/src/controls.ts: choices of which one holds. Native radio buttons, so the keyboard works.

import { make } from './dom';

export interface Choice<Value extends string> {
  value: Value;
  text: string;
  hint: string;
}

export class Segments<Value extends string> {
  private readonly inputs_ = new Map<Value, HTMLInputElement>();
  private readonly row_ = make('div', 'segments-row');

  constructor(
    fieldset: HTMLElement,
    private readonly name_: string,
    choices: readonly Choice<Value>[],
    private readonly onChoose_: (value: Value) => void,
  ) {
    this.offer(choices);
    fieldset.append(this.row_);
  }

  /** Other choices than before; which one holds is to be set again. */
  offer(choices: readonly Choice<Value>[]): void {
    if (choices.map(({ value }) => value).join() === [...this.inputs_.keys()].join()) return;
    this.inputs_.clear();
    this.row_.replaceChildren();
    for (const { value, text, hint } of choices) {
      const label = make('label', 'segment');
      label.title = hint;
      const input = make('input', 'sr-only');
      input.type = 'radio';
      input.name = this.name_;
      input.value = value;
      input.addEventListener('change', () => this.onChoose_(value));
      label.append(input, make('span', '', text));
      this.row_.append(label);
      this.inputs_.set(value, input);
    }
  }

  set(value: Value): void {
    const input = this.inputs_.get(value);
    if (input) input.checked = true;
  }
}
