import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkpointFolder, readCheckpoint, readWeights, type Manifest } from '@lvnet/checkpoints';
import { readStatus, resolveRun } from '@lvnet/coordinator';
import { Failure } from '@lvnet/core';
import type { NamedTensor } from '@lvnet/safetensors';
import { openStore, type Store } from '@lvnet/store';
import { say } from '../../cluster/print.js';
import { withStoreAt } from '../places.js';

/** The weights of a checkpoint and what they are for. */
export interface ReferredWeights {
  manifest: Manifest;
  weights: readonly NamedTensor[];
}

export type Which = 'best' | 'last' | 'either' | number;

/**
 * Reads the checkpoint that a reference means: RUN[@best|@last|@STEP], or a checkpoint folder's path or URL.
 *
 * @param place the store of runs, as `--store` gives it
 * @throws Failure('ARGUMENT_INVALID' | 'RUN_NOT_FOUND' | 'CHECKPOINT_NOT_FOUND' | 'CHECKPOINT_CORRUPT' | 'STORE_*')
 */
export async function readReference(reference: string, place: string | undefined): Promise<ReferredWeights> {
  const folder = folderOf(reference);
  if (folder !== undefined) return readFolder(folder);
  const { run, which } = parseReference(reference);
  return withStoreAt(place, async (store) => readOfRun(store, await resolveRun(store, run), which));
}

/** @throws Failure('ARGUMENT_INVALID') */
export function parseReference(reference: string): { run: string; which: Which } {
  const [, run, which] = /^([^@]+)(?:@(best|last|\d+))?$/.exec(reference) ?? [];
  if (run !== undefined) {
    return {
      run,
      which: which === undefined ? 'either' : /^\d/.test(which) ? Number(which) : (which as Which),
    };
  }
  throw new Failure(
    'ARGUMENT_INVALID',
    { reference },
    {
      message: `${reference} names no checkpoint.`,
      hint: "Write RUN, RUN@best, RUN@last, RUN@200, or the path of a checkpoint's folder.",
    },
  );
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The URL of a checkpoint's folder; undefined for a run's name. */
function folderOf(reference: string): string | undefined {
  if (/^(file|s3):/.test(reference)) return reference;
  const path = resolve(reference);
  if (reference.includes('/') || existsSync(join(path, 'manifest.json'))) return pathToFileURL(path).href;
  return undefined;
}

async function readFolder(url: string): Promise<ReferredWeights> {
  // Opening a folder as a store makes it, which must not happen to a mistyped path, and cannot to a file's.
  if (url.startsWith('file:') && !isFolder(fileURLToPath(url))) throw noFolder(url);
  const store = await openStore(url);
  try {
    return await readWeights(store, '');
  } finally {
    await store.close();
  }
}

async function readOfRun(store: Store, run: string, which: Which): Promise<ReferredWeights> {
  const best = which === 'best' || which === 'either' ? await bestStep(store, run) : undefined;
  if (which === 'best' && best === undefined) throw noBest(run);
  const step = typeof which === 'number' ? which : best;
  if (step !== undefined) return readWeights(store, checkpointFolder(run, step));
  const { state, manifest, skipped } = await readCheckpoint(store, run);
  for (const item of skipped) say(`checkpoint ${String(item.step)} was left out: ${item.reason}`);
  return { manifest, weights: state.weights };
}

async function bestStep(store: Store, run: string): Promise<number | undefined> {
  return (await readStatus(store, undefined, run)).metrics.best?.step;
}

function noBest(run: string): Failure {
  return new Failure(
    'CHECKPOINT_NOT_FOUND',
    { run },
    { message: `Run ${run} has no best checkpoint: none was validated.`, hint: `Use ${run}@last.` },
  );
}

function noFolder(url: string): Failure {
  const message = `There is no folder ${fileURLToPath(url)}.`;
  const hint = 'Give a run, or the folder that holds manifest.json and weights.safetensors.';
  return new Failure('CHECKPOINT_NOT_FOUND', { url }, { message, hint });
}
