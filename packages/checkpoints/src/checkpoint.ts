import { asFailure, Failure, sha256Hex } from '@lvnet/core';
import { encodeSafetensors, type NamedTensor } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { encodeWeights } from './digest.js';
import { checkpointFolder, manifestKey, optimizerName, weightsName, type Manifest } from './manifest.js';
import { readManifest, readTensors } from './verified.js';

/** Everything from which training continues with the same bytes. */
export interface CheckpointState {
  step: number;
  epoch: number;
  /** PyTorch names and layouts, running statistics and num_batches_tracked included. */
  weights: readonly NamedTensor[];
  optimizer: readonly NamedTensor[];
  digest: string;
  sampler: { epoch: number; position: number };
  lossHistory: readonly number[];
}

export interface Provenance {
  network?: unknown;
  data?: Manifest['data'];
  engineFingerprint?: string;
  createdAt?: string;
}

export interface WriteOptions {
  /** Writes no faster than that. */
  bytesPerSecond?: number;
  /** Decides when the next one is due; asked once the files are there. */
  schedule?: () => Manifest['schedule'];
}

/** Writes the files, then the manifest. Writing the same checkpoint twice does no harm. */
export async function writeCheckpoint(
  store: Store,
  run: string,
  state: CheckpointState,
  provenance: Provenance = {},
  { bytesPerSecond, schedule }: WriteOptions = {},
): Promise<Manifest> {
  const folder = checkpointFolder(run, state.step);
  const contents = contentsOf(state);
  const budget = bytesPerSecond === undefined ? {} : { bytesPerSecond };
  for (const { name, body } of contents) await store.put(`${folder}/${name}`, body, budget);
  const manifest: Manifest = {
    version: 1,
    run,
    step: state.step,
    epoch: state.epoch,
    digest: state.digest,
    createdAt: provenance.createdAt ?? new Date().toISOString(),
    files: contents.map(describeFile),
    sampler: state.sampler,
    lossHistory: [...state.lossHistory],
    network: provenance.network ?? null,
    data: provenance.data ?? null,
    engineFingerprint: provenance.engineFingerprint ?? null,
    schedule: schedule?.() ?? null,
  };
  await store.put(manifestKey(run, state.step), `${JSON.stringify(manifest, null, 1)}\n`);
  return manifest;
}

/** The files of a state's checkpoint, as its manifest lists them. */
export const checkpointFiles = (state: Pick<CheckpointState, 'weights' | 'optimizer'>): Manifest['files'] =>
  contentsOf(state).map(describeFile);

const contentsOf = ({ weights, optimizer }: Pick<CheckpointState, 'weights' | 'optimizer'>) => [
  { name: weightsName, body: encodeWeights(weights) },
  { name: optimizerName, body: encodeSafetensors(optimizer) },
];

const describeFile = ({ name, body }: { name: string; body: Uint8Array }) => ({
  name,
  bytes: body.byteLength,
  sha256: sha256Hex(body),
});

export interface ReadCheckpoint {
  state: CheckpointState;
  manifest: Manifest;
  /** Newer checkpoints that did not verify, and why. */
  skipped: { step: number; reason: string }[];
}

/**
 * Reads the checkpoint of one step, or the newest one that verifies.
 *
 * @throws Failure('CHECKPOINT_NOT_FOUND'), Failure('CHECKPOINT_CORRUPT') when a step was asked for
 */
export async function readCheckpoint(store: Store, run: string, step?: number): Promise<ReadCheckpoint> {
  if (step !== undefined) return { ...(await readVerified(store, run, step)), skipped: [] };
  const { state, manifest, skipped } = await readNewest(store, run);
  if (state === null) throw absent(store, run, undefined, skipped);
  return { state, manifest, skipped };
}

type Newest = ReadCheckpoint | { state: null; manifest: null; skipped: ReadCheckpoint['skipped'] };

/** The newest checkpoint that verifies, if one does. */
export async function readNewest(store: Store, run: string): Promise<Newest> {
  const skipped: ReadCheckpoint['skipped'] = [];
  for (const candidate of (await checkpointSteps(store, run)).reverse()) {
    try {
      return { ...(await readVerified(store, run, candidate)), skipped };
    } catch (error) {
      if (!isLost(error)) throw error;
      skipped.push({ step: candidate, reason: asFailure(error).message });
    }
  }
  return { state: null, manifest: null, skipped };
}

/** Steps whose manifest is there, in order. */
export async function checkpointSteps(store: Store, run: string): Promise<number[]> {
  const steps: number[] = [];
  for await (const { key } of store.list(`runs/${run}/checkpoints/`)) {
    const found = /\/checkpoints\/(\d+)\/manifest\.json$/.exec(key)?.[1];
    if (found !== undefined) steps.push(Number(found));
  }
  return steps.sort((a, b) => a - b);
}

export async function isCompleteCheckpoint(store: Store, run: string, step: number): Promise<boolean> {
  return (await store.head(manifestKey(run, step))) !== undefined;
}

/** What the newest complete checkpoint says of the next one, if there is one that can be read. */
export async function newestSchedule(
  store: Store,
  run: string,
): Promise<{ step: number; nextStep: number | null } | undefined> {
  const step = (await checkpointSteps(store, run)).at(-1);
  if (step === undefined) return undefined;
  const manifest = await readManifest(store, checkpointFolder(run, step)).catch(ifLost);
  return { step, nextStep: manifest?.schedule?.nextStep ?? null };
}

function ifLost(error: unknown): undefined {
  const isGone = error instanceof Failure && error.code === 'CHECKPOINT_NOT_FOUND'; // deleted meanwhile
  if (!isGone) ifCorrupt(error);
  return undefined;
}

/** Manifests of all complete checkpoints, in order; unreadable ones are left out. */
export async function listCheckpoints(store: Store, run: string): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const step of await checkpointSteps(store, run)) {
    const manifest = await readManifest(store, checkpointFolder(run, step)).catch(ifCorrupt);
    if (manifest !== undefined) manifests.push(manifest);
  }
  return manifests;
}

function ifCorrupt(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'CHECKPOINT_CORRUPT') return undefined;
  throw error;
}

/** Deletes the manifest first, so that a half-deleted checkpoint is no checkpoint. */
export async function deleteCheckpoint(store: Store, run: string, step: number): Promise<void> {
  await store.delete(manifestKey(run, step));
  for await (const { key } of store.list(`${checkpointFolder(run, step)}/`)) await store.delete(key);
}

/**
 * Takes a checkpoint that was found damaged out of the run, so that it is written again when training comes to its step,
 * and that retention does not count it. Its manifest stays beside it under another name. One that verifies when it is
 * read once more, as its store had answered badly, stays where it is.
 */
export async function setAside(store: Store, run: string, step: number): Promise<void> {
  try {
    await readVerified(store, run, step);
    return;
  } catch (error) {
    if (!isLost(error)) throw error;
  }
  if (!(await isCompleteCheckpoint(store, run, step))) return;
  const manifest = await store.get(manifestKey(run, step));
  await store.put(`${checkpointFolder(run, step)}/manifest.damaged.json`, manifest);
  await store.delete(manifestKey(run, step));
}

const isLost = (error: unknown): boolean => {
  const { code } = asFailure(error);
  return code === 'CHECKPOINT_CORRUPT' || code === 'CHECKPOINT_NOT_FOUND';
};

async function readVerified(
  store: Store,
  run: string,
  step: number,
): Promise<{ state: CheckpointState; manifest: Manifest }> {
  const folder = checkpointFolder(run, step);
  if (!(await isCompleteCheckpoint(store, run, step))) throw absent(store, run, step, []);
  const manifest = await readManifest(store, folder);
  const [weights, optimizer] = await Promise.all([
    readTensors(store, folder, manifest, weightsName),
    readTensors(store, folder, manifest, optimizerName),
  ]);
  const { epoch, digest, sampler, lossHistory } = manifest;
  return { manifest, state: { step, epoch, weights, optimizer, digest, sampler, lossHistory } };
}

function absent(
  store: Store,
  run: string,
  step: number | undefined,
  skipped: readonly { step: number; reason: string }[],
): Failure {
  const which = step === undefined ? 'a usable checkpoint' : `a checkpoint of step ${String(step)}`;
  return new Failure(
    'CHECKPOINT_NOT_FOUND',
    { run, step: step ?? null, skipped },
    {
      message: `Run ${run} has no ${which.replace(/^a /, '')} in ${store.url}.`,
      hint: `lvnet status ${run} shows what there is.`,
    },
  );
}
