// web/src/studies.ts: the indicators that a person chose. Their values come from the API; here are
// only names, lengths and how each is drawn.

export const kStudyKinds = ['sma', 'ema', 'bollinger', 'vwap', 'rsi', 'macd'] as const;
export type StudyKind = (typeof kStudyKinds)[number];

/** "sma(20)": the name by which the API knows it. */
export type StudyName = string;

export interface Study {
  kind: StudyKind;
  /** Lengths and the like, in the order in which the API takes them. */
  numbers: number[];
}

export interface StudyForm {
  title: string;
  /** Name, standard value and bounds of each number. */
  fields: { name: string; standard: number; min: number; max: number; step: number }[];
}

const kLengthMax = 1000;
const length = (name: string, standard: number): StudyForm['fields'][number] => ({
  name,
  standard,
  min: 1,
  max: kLengthMax,
  step: 1,
});

export const kStudyForms: Record<StudyKind, StudyForm> = {
  sma: { title: 'SMA', fields: [length('length', 20)] },
  ema: { title: 'EMA', fields: [length('length', 20)] },
  bollinger: {
    title: 'Bollinger',
    fields: [
      length('length', 20),
      { name: 'deviations', standard: 2, min: 0.5, max: 10, step: 0.5 },
    ],
  },
  vwap: { title: 'VWAP', fields: [] },
  rsi: { title: 'RSI', fields: [length('length', 14)] },
  macd: {
    title: 'MACD',
    fields: [length('fast', 12), length('slow', 26), length('signal', 9)],
  },
};

export function standardStudy(kind: StudyKind): Study {
  return { kind, numbers: kStudyForms[kind].fields.map(({ standard }) => standard) };
}

export function defaultStudies(): Study[] {
  return [standardStudy('sma'), standardStudy('ema')];
}

export function nameOf({ kind, numbers }: Study): StudyName {
  // A bar has its own of that name; this one begins anew with each trading date.
  if (kind === 'vwap') return 'vwap(session)';
  return numbers.length > 0 ? `${kind}(${numbers.join(',')})` : kind;
}

/** SMA 20, MACD 12 26 9 */
export function titleOf({ kind, numbers }: Study): string {
  return [kStudyForms[kind].title, ...numbers].join(' ');
}

/** "sma(20) ema(20)" */
export function studiesText(studies: readonly Study[]): string {
  return studies.map(nameOf).join(' ');
}

// So many lines of one kind are still told apart.
const kSameKindMax = 3;

/**
 * What a person wrote for one kind: "12 26 9"; where there is one number, "20 50 200" is three of
 * the kind. Null when it cannot be.
 */
export function studiesOfText(kind: StudyKind, text: string): Study[] | null {
  const numbers = text.split(/[\s,;]+/).filter(Boolean).map(Number);
  const { fields } = kStudyForms[kind];
  const studies: Study[] =
    fields.length === 1
      ? [...new Set(numbers)].map((number) => ({ kind, numbers: [number] }))
      : [{ kind, numbers }];
  const wrong = studies.length === 0 || studies.length > kSameKindMax || !studies.every(fits);
  return wrong ? null : studies;
}

export function textOfStudies(studies: readonly Study[]): string {
  return studies.flatMap(({ numbers }) => numbers).join(' ');
}

function fits({ kind, numbers }: Study): boolean {
  const { fields } = kStudyForms[kind];
  return (
    numbers.length === fields.length &&
    fields.every(({ min, max, step }, index) => {
      const number = numbers[index]!;
      return number >= min && number <= max && Number.isInteger(number / step);
    })
  );
}

/** Unknown or impossible ones are left out, and so are repeats. */
export function parseStudies(text: string): Study[] {
  const studies = text.split(' ').flatMap((name) => parseStudy(name) ?? []);
  const names = studies.map(nameOf);
  return studies.filter((_, index) => names.indexOf(names[index]!) === index);
}

function parseStudy(name: string): Study | null {
  const match = /^([a-z]+)(?:\(([\d.,]*|session)\))?$/.exec(name);
  const kind = kStudyKinds.find((known) => known === match?.[1]);
  if (!match || !kind) return null;
  const inside = match[2] === 'session' ? '' : match[2];
  const study = { kind, numbers: inside ? inside.split(',').map(Number) : [] };
  return fits(study) && (match[2] !== 'session' || kind === 'vwap') ? study : null;
}

export type Tone = 'study1' | 'study2' | 'study3' | 'study4';
export type Dash = 'solid' | 'dashed' | 'dotted';
export type StudyPane = 'price' | 'rsi' | 'macd';

/** One output of one study, as it is drawn. */
export interface StudyLine {
  /** "macd(12,26,9).signal", "sma(20)": the API's name of the column. */
  key: string;
  study: StudyName;
  output: string;
  /** "MACD 12 26 9 signal", and of the whole study "MACD 12 26 9". */
  title: string;
  studyTitle: string;
  pane: StudyPane;
  drawn: 'line' | 'histogram';
  tone: Tone;
  dash: Dash;
  /** Values at which the pane has a fixed line. */
  guides: number[];
}

const kDashes: readonly Dash[] = ['solid', 'dashed', 'dotted'];

interface Output {
  output: string;
  tone: Tone;
  dash?: Dash;
  drawn?: 'histogram';
}

const kOutputs: Record<StudyKind, { pane: StudyPane; outputs: Output[]; guides?: number[] }> = {
  sma: { pane: 'price', outputs: [{ output: 'sma', tone: 'study1' }] },
  ema: { pane: 'price', outputs: [{ output: 'ema', tone: 'study2' }] },
  bollinger: {
    pane: 'price',
    outputs: [
      { output: 'upper', tone: 'study3' },
      { output: 'middle', tone: 'study3', dash: 'dotted' },
      { output: 'lower', tone: 'study3' },
    ],
  },
  vwap: { pane: 'price', outputs: [{ output: 'vwap', tone: 'study4', dash: 'dashed' }] },
  rsi: { pane: 'rsi', outputs: [{ output: 'rsi', tone: 'study1' }], guides: [30, 70] },
  macd: {
    pane: 'macd',
    outputs: [
      { output: 'histogram', tone: 'study3', drawn: 'histogram' },
      { output: 'macd', tone: 'study2' },
      { output: 'signal', tone: 'study1', dash: 'dashed' },
    ],
  },
};

/** The second and third of one kind differ in their dashes. */
export function linesOf(studies: readonly Study[]): StudyLine[] {
  return studies.flatMap((study, index) => {
    const { pane, outputs, guides } = kOutputs[study.kind];
    const before = studies.slice(0, index).filter(({ kind }) => kind === study.kind).length;
    return outputs.map(({ output, tone, dash, drawn }): StudyLine => {
      const only = outputs.length === 1;
      return {
        key: only ? nameOf(study) : `${nameOf(study)}.${output}`,
        study: nameOf(study),
        output,
        title: only || output === study.kind ? titleOf(study) : `${titleOf(study)} ${output}`,
        studyTitle: titleOf(study),
        pane,
        drawn: drawn ?? 'line',
        tone,
        dash: dash ?? kDashes[before] ?? 'dotted',
        guides: guides ?? [],
      };
    });
  });
}
