import { counterRandom, Failure, invariant, shuffled } from '@lvnet/core';

/** One block of a case: `slices` slices from `start` on, in the prepared case. */
export interface Sample {
  case: string;
  start: number;
}

export interface SampledCase {
  id: string;
  /** Slices of the prepared case. */
  depth: number;
  /** First and last slice that meet the liver; null for none. */
  liver: readonly [number, number] | null;
}

export interface SamplerOptions {
  cases: readonly SampledCase[];
  /** Slices of a block. */
  slices: number;
  /** 'liver' takes only the part of a scan that holds liver, with a margin of a quarter block around it. */
  blocks: 'all' | 'liver';
}

/**
 * First slices of blocks that cover a scan. They follow each other without overlap, but for the
 * first, which is shifted forward, and the last, which is shifted back, to fit in. Their count is
 * ceil(depth / slices) whatever the phase, so the steps of an epoch do not depend on it: the phase
 * moves the blocks by as much as the spare slices allow.
 */
export function blockStarts(depth: number, slices: number, phase: number): number[] {
  invariant(depth >= 1 && slices >= 1 && phase >= 0, 'blocks need slices and a phase from 0 on');
  const count = Math.ceil(depth / slices);
  const spare = count * slices - depth;
  const shift = phase % (spare + 1);
  const last = Math.max(0, depth - slices);
  return Array.from({ length: count }, (_, i) => Math.min(last, Math.max(0, i * slices - shift)));
}

/**
 * The blocks of an epoch in the order they are trained on: a function of (seed, epoch) and the
 * cases alone. Each case has a phase of its own per epoch.
 */
export function epochSamples(o: SamplerOptions & { seed: number; epoch: number }): Sample[] {
  const samples = o.cases.flatMap((item): Sample[] => {
    const range = rangeOf(item, o);
    if (range === undefined) return [];
    const phase = counterRandom(o.seed, 'phase', o.epoch, item.id).below(o.slices);
    const starts = blockStarts(range.depth, o.slices, phase);
    return starts.map((start) => ({ case: item.id, start: range.first + start }));
  });
  return shuffled(samples, counterRandom(o.seed, 'sampler', o.epoch));
}

/** Samples of step `stepInEpoch` (from 0): `batch` of them, fewer in a short last step. */
export function stepSamples(samples: readonly Sample[], batch: number, stepInEpoch: number): Sample[] {
  return samples.slice(stepInEpoch * batch, (stepInEpoch + 1) * batch);
}

/**
 * Optimiser steps of an epoch, the same in every epoch; a short last batch counts.
 *
 * @throws Failure('DATASET_INVALID') when no case has a block to train on
 */
export function stepsPerEpoch(o: SamplerOptions & { batch: number }): number {
  const count = o.cases.reduce((sum, item) => {
    const range = rangeOf(item, o);
    return range === undefined ? sum : sum + Math.ceil(range.depth / o.slices);
  }, 0);
  if (count > 0) return Math.ceil(count / o.batch);
  throw new Failure(
    'DATASET_INVALID',
    { cases: o.cases.length, blocks: o.blocks },
    {
      message: 'There is no block to train on.',
      hint: 'Check that the training cases hold liver, or set blocks: all.',
    },
  );
}

/** The part of a scan that is sampled; at least a block long where the scan allows it. */
function rangeOf(
  { depth, liver }: SampledCase,
  { slices, blocks }: SamplerOptions,
): { first: number; depth: number } | undefined {
  if (blocks === 'all') return { first: 0, depth };
  if (liver === null) return undefined;
  const margin = Math.ceil(slices / 4);
  let first = Math.max(0, liver[0] - margin);
  let end = Math.min(depth, liver[1] + 1 + margin);
  first = Math.max(0, Math.min(first, end - slices));
  end = Math.min(depth, Math.max(end, first + slices));
  return { first, depth: end - first };
}

/**
 * A block of a prepared case. Where the scan has fewer slices than asked for, the edge slices are
 * repeated, half before and half behind.
 *
 * @returns image [slices, rows, columns] and its labels, both copies
 */
export function cutBlock(
  prepared: { image: Float32Array; label: Uint8Array; depth: number; rows: number; columns: number },
  start: number,
  slices: number,
): { image: Float32Array; label: Int32Array } {
  const { depth, rows, columns } = prepared;
  const area = rows * columns;
  invariant(start >= 0 && (start === 0 || start + slices <= depth), 'a block lies within its case');
  const before = Math.floor(Math.max(0, slices - depth) / 2);
  const image = new Float32Array(slices * area);
  const label = new Int32Array(slices * area);
  for (let i = 0; i < slices; i++) {
    const slice = Math.min(depth - 1, Math.max(0, start + i - before));
    image.set(prepared.image.subarray(slice * area, (slice + 1) * area), i * area);
    label.set(prepared.label.subarray(slice * area, (slice + 1) * area), i * area);
  }
  return { image, label };
}
