import {
  checkpointFiles,
  checkpointFolder,
  readWeights,
  type Manifest,
  type StepRecord,
} from '@lvnet/checkpoints';
import { asFailure, canonicalJson, counterRandom, shuffled } from '@lvnet/core';
import { buildNetwork, type Network } from '@lvnet/networks';
import { firstDifference } from '../first-difference.js';
import { replaySteps, type ReplayOptions } from '../replay.js';
import { namedWeights, toCheckpoint, type TrainingState } from '../state.js';
import type { Books } from './books.js';

export interface Recomputed {
  step: number;
  /** The checkpoint that it was done again from; 0 = the initial weights. */
  fromStep: number;
  holds: boolean;
  /** What is different, in words. */
  message: string | null;
  /** First tensor in which a stored checkpoint of this step differs. */
  tensor: string | null;
}

/**
 * Draws steps to be done again: `count` of them at random, and those whose own checkpoints are in doubt, so
 * that the tensor can be named.
 *
 * @returns in order; fewer where the run has fewer
 */
export function drawSteps(books: Books, count: number, seed: number): number[] {
  if (count === 0) return [];
  const first = Math.min(...books.soundSteps);
  const possible = books.records.map(({ step }) => step).filter((step) => step > first);
  const drawn = shuffled(possible, counterRandom(seed, 'audit')).slice(0, count);
  const doubtful = books.manifests
    .map(({ step }) => step)
    .filter((step) => possible.includes(step) && !books.soundSteps.includes(step));
  return [...new Set([...drawn, ...doubtful])].sort((a, b) => a - b);
}

export interface RecomputeOptions extends Omit<ReplayOptions, 'fromStep' | 'toStep' | 'onStep'> {
  books: Books;
  steps: readonly number[];
  onProgress?: (step: number, toStep: number) => void;
}

/** Does steps again, each from the nearest sound checkpoint before it, and compares all that was recorded. */
export async function recomputeSteps(o: RecomputeOptions): Promise<Recomputed[]> {
  const results: Recomputed[] = [];
  for (const [fromStep, steps] of byBase(o.books.soundSteps, o.steps)) {
    results.push(...(await recomputeFrom(fromStep, steps, o)));
  }
  return results;
}

/** Steps by the checkpoint that they are done again from, so that no step is done twice. */
function byBase(sound: readonly number[], steps: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const step of steps) {
    const base = Math.max(...sound.filter((candidate) => candidate < step));
    groups.set(base, [...(groups.get(base) ?? []), step]);
  }
  return groups;
}

async function recomputeFrom(
  fromStep: number,
  steps: readonly number[],
  o: RecomputeOptions,
): Promise<Recomputed[]> {
  const { books, onProgress, ...replay } = o;
  const network = buildNetwork(o.spec.network);
  const results: Recomputed[] = [];
  const suspects: { result: Recomputed; weights: ReturnType<typeof namedWeights> }[] = [];
  const toStep = Math.max(...steps);
  try {
    await replaySteps({
      ...{ ...replay, fromStep, toStep },
      onStep(record, state) {
        onProgress?.(state.step, toStep);
        if (!steps.includes(state.step)) return;
        const manifest = books.manifests.find(({ step }) => step === state.step);
        const files =
          manifest === undefined ? [] : otherFiles(manifest, network, state, o.spec.stepsPerEpoch);
        const fields = otherFields(
          record,
          books.records.find(({ step }) => step === state.step),
        );
        const message = differenceOf(fields, files);
        const result = { step: state.step, fromStep, holds: message === null, message, tensor: null };
        results.push(result);
        if (files.length > 0)
          suspects.push({ result, weights: copied(namedWeights(network, state.weights)) });
      },
    });
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === 'CANCELLED' || failure.code === 'INTERNAL') throw error;
    const done = new Set(results.map(({ step }) => step));
    const left = steps.filter((step) => !done.has(step));
    results.push(...left.map((step) => notDone(step, fromStep, failure.message)));
  }
  for (const { result, weights } of suspects) result.tensor = await otherTensor(o, result.step, weights);
  return results;
}

const notDone = (step: number, fromStep: number, message: string): Recomputed => ({
  ...{ step, fromStep, holds: false, message, tensor: null },
});

/** What a record says otherwise than the step done again; seconds are nobody's business. */
function otherFields(right: StepRecord, recorded: StepRecord | undefined): string[] {
  if (recorded === undefined) return ['record'];
  const names = ['weights', 'digest', 'loss', 'heads', 'lr', 'samples', 'skipped'] as const;
  return names.filter((name) => canonicalJson(right[name] ?? null) !== canonicalJson(recorded[name] ?? null));
}

function otherFiles(
  manifest: Manifest,
  network: Network,
  state: TrainingState,
  stepsPerEpoch: number,
): string[] {
  const right = checkpointFiles(toCheckpoint(network, state, stepsPerEpoch));
  return right
    .filter(({ name, sha256 }) => manifest.files.find((file) => file.name === name)?.sha256 !== sha256)
    .map(({ name }) => name);
}

function differenceOf(fields: readonly string[], files: readonly string[]): string | null {
  const parts = [
    ...(fields.length === 0 ? [] : [`the record has another ${fields.join(', ')}`]),
    ...(files.length === 0 ? [] : [`the checkpoint has another ${files.join(', ')}`]),
  ];
  return parts.length === 0 ? null : parts.join('; ');
}

async function otherTensor(
  { store, spec }: RecomputeOptions,
  step: number,
  right: ReturnType<typeof namedWeights>,
): Promise<string | null> {
  try {
    const { weights } = await readWeights(store, checkpointFolder(spec.run, step));
    return firstDifference(right, weights) ?? null;
  } catch (error) {
    const { code } = asFailure(error);
    if (code === 'CHECKPOINT_CORRUPT' || code === 'CHECKPOINT_NOT_FOUND') return null;
    throw error;
  }
}

const copied = (tensors: ReturnType<typeof namedWeights>): ReturnType<typeof namedWeights> =>
  tensors.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
