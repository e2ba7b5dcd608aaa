import { counted } from '@lvnet/core';
import type { ExperimentDifference } from '@lvnet/experiments';
import { table } from '../../cluster/print.js';

export interface DiffSide {
  run: string;
  name: string;
  /** The last step that was recorded. */
  lastStep: number;
}

/** The JSON of `lvnet diff`. */
export interface RunDiff {
  a: DiffSide;
  b: DiffSide;
  /** No step that both recorded is different. */
  same: boolean;
  /** Steps that both recorded. */
  compared: number;
  firstDivergingStep: number | null;
  /** What the records of that step say differently. */
  fields: string[];
  /** First tensor that differs after that step. */
  tensor: string | null;
  /** Why there is no tensor, or what else is remarkable. */
  note: string | null;
  experiment: ExperimentDifference[];
}

/** What two runs have in common and where they part, for people. */
export function diffLines(result: RunDiff): string[] {
  const { a, b, same, compared, firstDivergingStep: step, fields, tensor, note, experiment } = result;
  const title = ({ run, name, lastStep }: DiffSide) => [run, name, `up to step ${String(lastStep)}`];
  const where = tensor === null ? '' : `, first in ${tensor}`;
  const verdict = same
    ? `the same ${counted(compared, 'step')}`
    : step === null
      ? 'not compared'
      : `first difference after step ${String(step)}${where} (recorded differently: ${fields.join(', ')})`;
  return [
    ...table([title(a), title(b)]),
    `${verdict}${note === null ? '' : `; ${note}`}`,
    experiment.length === 0 ? 'the experiments are the same' : 'the experiments differ in',
    ...table(
      experiment.map((item) => [
        `  ${item.path}`,
        shown(item.a),
        shown(item.b),
        item.decides ? '' : 'has no say in the bytes',
      ]),
    ),
  ];
}

const shownLength = 60;

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > shownLength ? `${text.slice(0, shownLength - 1)}…` : text;
}
