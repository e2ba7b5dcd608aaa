import { readSteps, type StepRecord } from '@lvnet/checkpoints';
import {
  experimentDifferences,
  readJsonIfThere,
  runKeys,
  type ExperimentDifference,
  type RunDocument,
} from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import { firstDivergence } from '@lvnet/training';
import { print } from '../../cluster/print.js';
import { withStoreAt } from '../places.js';
import { diffLines, type DiffSide, type RunDiff } from './diff-view.js';
import { notTrained, readRecordedRun, type RecordedRun } from './recorded-run.js';
import { tensorAfter } from './tensor-after.js';

export interface DiffFlags {
  threads?: number;
  store?: string;
  json?: boolean;
}

/** Compares what two runs recorded, and finds the tensor in which they first differ. */
export async function diff(reference: string, other: string, flags: DiffFlags): Promise<void> {
  const result = await withStoreAt(flags.store, async (store): Promise<RunDiff> => {
    const [a, b] = [await readRecordedRun(store, reference), await readRecordedRun(store, other)];
    const [left, right] = [await stepsOf(store, a.document), await stepsOf(store, b.document)];
    const { compared, step, fields } = firstDivergence(left, right);
    const found = step === null ? nothing(compared) : await tensorAfter(store, [a, b], step, flags.threads);
    return {
      ...{ a: sideOf(a, left), b: sideOf(b, right), same: step === null && compared > 0, compared },
      ...{ firstDivergingStep: step, fields, ...found },
      experiment: differencesOf(a.document, b.document),
    };
  });
  print(flags.json === true, result, () => diffLines(result));
}

const nothing = (compared: number) => ({
  tensor: null,
  note: compared === 0 ? 'there is no step that both recorded' : null,
});

const sideOf = ({ document: { run, name } }: RecordedRun, records: readonly StepRecord[]): DiffSide => ({
  ...{ run, name, lastStep: records.at(-1)?.step ?? 0 },
});

/** A run's steps; those before a fork are its parent's, where that is still there. */
async function stepsOf(store: Store, { run, parent }: RunDocument): Promise<StepRecord[]> {
  const own = await readSteps(store, run);
  const from =
    parent === null ? null : await readJsonIfThere<RunDocument>(store, runKeys.document(parent.run));
  const before = from === null ? [] : await stepsOf(store, from);
  const steps = [...before.filter(({ step }) => step <= (parent?.step ?? 0)), ...own];
  if (steps.length === 0) throw notTrained(run);
  return steps;
}

/** Differences of the settings, of the engine and of the cases. */
function differencesOf(a: RunDocument, b: RunDocument): ExperimentDifference[] {
  const pairs: [string, unknown, unknown][] = [
    ['engine.fingerprint', a.engine.fingerprint, b.engine.fingerprint],
    ...(['train', 'validation', 'test'] as const).map((name): [string, unknown, unknown] => [
      `cases.${name}`,
      a.split[name].map((item) => item.contentSha256),
      b.split[name].map((item) => item.contentSha256),
    ]),
  ];
  const others = pairs
    .filter(([, left, right]) => JSON.stringify(left) !== JSON.stringify(right))
    .map(([path, left, right]) => ({ path, a: left, b: right, decides: true }));
  return [...experimentDifferences(a.experiment, b.experiment), ...others];
}
