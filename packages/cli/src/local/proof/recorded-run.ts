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
import type { RunPast, TrainingSpec } from '@lvnet/training';
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

/** What a run started from: nothing for one that is no fork. */
export async function startOf(
  store: Store,
  { document: { parent } }: RecordedRun,
): Promise<RunPast['parent']> {
  if (parent === null) return null;
  const { records } = await readStepLines(store, parent.run);
  const weights = records.find(({ step }) => step === parent.step)?.weights ?? null;
  return { step: parent.step, digest: parent.digest, weights };
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
