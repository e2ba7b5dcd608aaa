import { readStepLines } from '@lvnet/checkpoints';
import { resolveRun } from '@lvnet/coordinator';
import { Failure } from '@lvnet/core';
import {
  readJson,
  readJsonIfThere,
  runKeys,
  type FinishedDocument,
  type RunDocument,
  type TrainingPlan,
} from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { TrainingSpec } from '@lvnet/training';
import { trainingSpecOf } from '@lvnet/worker';

/** A run's documents and what they say about its steps. */
export interface RecordedRun {
  document: RunDocument;
  plan: TrainingPlan;
  finished: FinishedDocument | null;
  spec: TrainingSpec;
}

/** @throws Failure('RUN_NOT_FOUND' | 'RUN_AMBIGUOUS'), Failure('STATE_NOT_ALLOWED') before its first step */
export async function readRecordedRun(store: Store, reference: string): Promise<RecordedRun> {
  const run = await resolveRun(store, reference);
  const document = await readJson<RunDocument>(store, runKeys.document(run));
  const plan = await readJsonIfThere<TrainingPlan>(store, runKeys.plan(run));
  if (plan === null) throw notTrained(run);
  const finished = await readJsonIfThere<FinishedDocument>(store, runKeys.finished(run));
  return { document, plan, finished, spec: trainingSpecOf(document, plan) };
}

/** SHA-256 of the weights that a run started from, where the run that it was forked from still tells. */
export async function startWeightsOf(
  store: Store,
  { document: { parent, weights } }: RecordedRun,
): Promise<string | undefined> {
  if (parent === null) return weights?.sha256;
  const { records } = await readStepLines(store, parent.run);
  return records.find(({ step }) => step === parent.step)?.weights;
}

export function notTrained(run: string): Failure {
  return new Failure(
    'STATE_NOT_ALLOWED',
    { run },
    {
      message: `Run ${run} has recorded no steps yet: they are written with its checkpoints.`,
      hint: `lvnet status ${run} shows how far it is.`,
    },
  );
}
