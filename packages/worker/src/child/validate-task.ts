import { checkpointFolder, checkpointSteps, readWeights } from '@lvnet/checkpoints';
import { asFailure, Failure, invariant } from '@lvnet/core';
import { evaluateCase } from '@lvnet/evaluation';
import {
  networkConfigOf,
  putDocument,
  runKeys,
  type CaseResult,
  type PreparedRecord,
  type RunDocument,
} from '@lvnet/experiments';
import type { ValidateJob } from '@lvnet/queue';
import { encodeSafetensors } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { modelOf, predictCase, type Model } from '@lvnet/training';
import { loadPrepared, restoreMask, sourceLabel, type PreparedCase } from '@lvnet/volumes';
import { readPlan, readRunDocument, type TaskContext } from './context.js';

type CaseJob = Extract<ValidateJob, { subject: 'case' }>;

/** Predicts one case with the checkpoint of one step and measures it at the source's resolution. */
export async function validateTask(job: CaseJob, context: TaskContext): Promise<void> {
  const { store } = context;
  const key = runKeys.caseResult(job.run, job.step, job.split, job.case);
  if ((await store.head(key)) !== undefined) return;
  const startMs = performance.now();
  const document = await readRunDocument(store, job.run);
  const record = await recordOf(context, job);
  const model = await loadModel(context, document, job.step);
  const prepared = await loadPrepared(store, record.prepared, record.sha256);
  const slices = document.experiment.data.patch[0];
  const foreground = await predictCase(context.engine, model, prepared, slices);
  const prediction = restoreMask(prepared, foreground);
  const { shape, spacingMm } = prepared.source;
  const metrics = evaluateCase({ reference: sourceLabel(prepared), prediction, shape, spacingMm });
  if (job.split === 'test') await storeOverlay(context, job, prepared, foreground);
  const result: CaseResult = {
    case: job.case,
    split: job.split,
    step: job.step,
    metrics,
    volumeMl: (countSet(prediction) * spacingMm[0] * spacingMm[1] * spacingMm[2]) / 1000,
    seconds: (performance.now() - startMs) / 1000,
  };
  await putDocument(store, key, result);
}

async function recordOf({ store }: TaskContext, job: CaseJob): Promise<PreparedRecord> {
  const plan = await readPlan(store, job.run);
  const record = plan.cases[job.split].find((item) => item.case === job.case);
  invariant(record !== undefined, `case ${job.case} is in the plan of its run`);
  return record;
}

/** The weights of the last asked checkpoint: an epoch's cases come one after the other. */
let loaded: { key: string; model: Model } | undefined;

async function loadModel({ store }: TaskContext, document: RunDocument, step: number): Promise<Model> {
  const key = `${document.run}@${String(step)}`;
  if (loaded?.key === key) return loaded.model;
  const { weights } = await readWeights(store, checkpointFolder(document.run, step)).catch(
    async (error: unknown) => {
      throw await awaitedInstead(store, document.run, step, asFailure(error));
    },
  );
  const model = modelOf(networkConfigOf(document.experiment), weights);
  loaded = { key, model };
  return model;
}

/**
 * The newest checkpoint, damaged or already left out as it is, comes again: training starts again before it. One that
 * training has passed does not.
 */
async function awaitedInstead(store: Store, run: string, step: number, failure: Failure): Promise<Failure> {
  const isLost = failure.code === 'CHECKPOINT_CORRUPT' || failure.code === 'CHECKPOINT_NOT_FOUND';
  if (!isLost || (await store.head(runKeys.finished(run))) !== undefined) return failure;
  if ((await checkpointSteps(store, run)).some((other) => other > step)) return failure;
  const message = `Checkpoint ${String(step)} cannot be used: ${failure.message}`;
  const hint =
    'It is waited for: a run that starts again does its steps again from the newest one that verifies.';
  return new Failure('CHECKPOINT_AWAITED', { run, step }, { message, hint, cause: failure });
}

/** The slice with most liver, for the report's pictures. */
async function storeOverlay(
  { store }: TaskContext,
  job: CaseJob,
  prepared: PreparedCase,
  foreground: Float32Array,
): Promise<void> {
  const area = prepared.rows * prepared.columns;
  const slice = largestSlice(prepared.label, area);
  const [from, to] = [slice * area, (slice + 1) * area];
  const shape = [prepared.rows, prepared.columns];
  const bytes = encodeSafetensors(
    [
      { name: 'image', dtype: 'F32', shape, data: prepared.image.slice(from, to) },
      { name: 'truth', dtype: 'U8', shape, data: prepared.label.slice(from, to) },
      { name: 'prediction', dtype: 'U8', shape, data: thresholded(foreground.subarray(from, to)) },
    ],
    { case: job.case, slice: String(slice), step: String(job.step) },
  );
  await store.put(runKeys.overlay(job.run, job.case), bytes);
}

function largestSlice(label: Uint8Array, area: number): number {
  let best = Math.floor(label.length / area / 2);
  let most = 0;
  for (let slice = 0; slice * area < label.length; slice++) {
    const count = countSet(label.subarray(slice * area, (slice + 1) * area));
    if (count > most) [best, most] = [slice, count];
  }
  return best;
}

const thresholded = (foreground: Float32Array): Uint8Array =>
  Uint8Array.from(foreground, (probability) => (probability >= 0.5 ? 1 : 0));

function countSet(mask: Uint8Array): number {
  let count = 0;
  for (const value of mask) if (value > 0) count++;
  return count;
}
