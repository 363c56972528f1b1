// web/src/data_page.ts: the tables of the store, and a box for SQL over them. It only reads: the
// program refuses everything else, and bounds time, rows and memory.

import type { Answer } from './api';
import { byId, make, setText } from './dom';
import { formatCount } from './format';
import type { SqlAnswer } from './types';

export interface DataWorld {
  select(statement: string, limit: number): Promise<Answer<SqlAnswer>>;
  /** Milliseconds. */
  now(): number;
}

/** What each table holds, in the order in which one needs them. */
const kTables: readonly [string, string][] = [
  ['series', 'what is traded, and where'],
  ['bar_series', 'kinds of bars of each series'],
  ['bars', 'the last revision of each bar'],
  ['revisions', 'earlier ones'],
  ['means', 'means of all trades so far, where they are kept'],
  ['checkpoint', 'up to where the tape is in the results'],
  ['checkpoint_entries', 'what a restart goes on with'],
  ['meta', 'of the store itself'],
];

const kRowsMax = 1_000;
// Of the program: more are not answered, and a longer address is not taken.
const kCsvRowsMax = 10_000;
const kCsvAddressMax = 12_000;

export function csvAddress(statement: string): string | null {
  const fields = new URLSearchParams({ query: statement, format: 'csv', limit: `${kCsvRowsMax}` });
  const address = `api/v1/sql?${fields}`;
  return address.length > kCsvAddressMax ? null : address;
}

export function rowsText({ rows, limited }: SqlAnswer, ms: number): string {
  const count = `${formatCount(rows.length)} row${rows.length === 1 ? '' : 's'}`;
  const more = limited ? `, and there are more: the file has up to ${formatCount(kCsvRowsMax)}` : '';
  return `${count}${more}. ${Math.round(ms)} ms`;
}

export class DataPage {
  private readonly text_ = byId<HTMLTextAreaElement>('data-sql');
  private readonly run_ = byId<HTMLButtonElement>('data-run');
  private readonly note_ = byId('data-note');
  private readonly problem_ = byId('data-problem');
  private readonly csv_ = byId<HTMLAnchorElement>('data-csv');
  private readonly result_ = byId('data-result');
  private busy_ = false;
  private listed_ = false;

  constructor(private readonly world_: DataWorld) {
    byId('data-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.run();
    });
    this.text_.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      void this.run();
    });
  }

  /** The tables, when the page is looked at for the first time. */
  async show(): Promise<void> {
    if (this.listed_) return;
    this.listed_ = true;
    const answers = await Promise.all(
      kTables.map(([name]) => this.world_.select(`SELECT * FROM ${name} LIMIT 0`, 1)),
    );
    const items = kTables.flatMap(([name, what], index) => {
      const answer = answers[index]!;
      return answer.ok ? [this.item(name, what, answer.value.columns)] : [];
    });
    byId('data-tables').replaceChildren(...items);
    // Perhaps no run is there yet: the next look tries again.
    this.listed_ = items.length > 0;
  }

  private item(name: string, what: string, columns: readonly string[]): HTMLElement {
    const item = make('li');
    const button = make('button', 'button', name);
    button.type = 'button';
    button.title = `The first rows of ${name}`;
    button.addEventListener('click', () => {
      this.text_.value = `SELECT * FROM ${name} LIMIT 100`;
      void this.run();
    });
    item.append(button, make('span', 'data-what', what), make('code', '', columns.join(', ')));
    return item;
  }

  private async run(): Promise<void> {
    const statement = this.text_.value.trim();
    if (this.busy_ || !statement) return;
    this.busy_ = true;
    this.run_.disabled = true;
    setText(this.note_, 'Asking…');
    const began = this.world_.now();
    const answer = await this.world_.select(statement, kRowsMax);
    this.busy_ = false;
    this.run_.disabled = false;
    this.problem_.hidden = answer.ok;
    this.text_.setAttribute('aria-invalid', String(!answer.ok));
    const address = answer.ok ? csvAddress(statement) : null;
    this.csv_.hidden = address === null;
    if (address !== null) this.csv_.href = address;
    if (!answer.ok) {
      setText(this.note_, '');
      setText(this.problem_, answer.failure.message);
      this.result_.hidden = true;
      return;
    }
    setText(this.note_, rowsText(answer.value, this.world_.now() - began));
    this.showRows(answer.value);
  }

  private showRows({ columns, rows }: SqlAnswer): void {
    this.result_.hidden = false;
    const head = make('tr');
    for (const column of columns) {
      const cell = make('th', '', column);
      cell.scope = 'col';
      head.append(cell);
    }
    byId('data-head').replaceChildren(head);
    byId('data-rows').replaceChildren(
      ...rows.map((row) => {
        const line = make('tr');
        line.append(
          ...row.map((value) => {
            const cell = make('td', value === null ? 'data-null' : '');
            cell.textContent = value === null ? 'NULL' : String(value);
            return cell;
          }),
        );
        return line;
      }),
    );
  }
}
