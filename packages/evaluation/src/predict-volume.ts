import { Failure, invariant } from '@lvnet/core';
import { setImmediate } from 'node:timers/promises';

export interface PredictOptions {
  /** Foreground probability of each voxel of a block [slices, rows, columns]. */
  forward: (
    image: Float32Array,
    shape: readonly [number, number, number],
  ) => Float32Array | Promise<Float32Array>;
  /** [depth, rows, columns], normalised as in training; not changed. */
  image: Float32Array;
  depth: number;
  rows: number;
  columns: number;
  /** Slices of a block. */
  slices: number;
  /** Slices that neighbouring blocks share; fewer than `slices`. */
  overlapSlices: number;
  signal?: AbortSignal;
}

/**
 * Foreground probability of a whole volume: blocks slide along the slices, where they overlap the mean counts.
 * The last block is shifted back to fit. A volume with fewer slices than a block is continued by its first and
 * last slice, the surplus before and after alike. Other work gets its turn between the blocks.
 *
 * @returns [depth, rows, columns]
 * @throws Failure('SHAPE_MISMATCH'), Failure('CANCELLED'), and what `forward` throws
 */
export async function predictVolume(options: PredictOptions): Promise<Float32Array> {
  const { forward, image, depth, rows, columns, slices, overlapSlices, signal } = options;
  const area = rows * columns;
  checkSize('The image', image.length, depth * area);
  const sum = new Float32Array(image.length);
  const counts = new Uint16Array(depth);
  const before = Math.floor(Math.max(0, slices - depth) / 2);
  for (const start of blockStartsOf(depth, slices, overlapSlices)) {
    await setImmediate();
    if (signal?.aborted === true) throw cancelled();
    const block = cut(image, area, depth, start - before, slices);
    const probability = await forward(block, [slices, rows, columns]);
    checkSize('The prediction of a block', probability.length, block.length);
    const first = Math.max(0, start - before);
    for (let slice = first; slice < Math.min(depth, start - before + slices); slice++) {
      const from = (slice - start + before) * area;
      addInto(sum, slice * area, probability.subarray(from, from + area));
      counts[slice] = (counts[slice] ?? 0) + 1;
    }
  }
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) / (counts[Math.floor(i / area)] ?? 1);
  return sum;
}

/** First slices of the blocks that cover `depth` slices; the last block ends with the volume. */
export function blockStartsOf(depth: number, slices: number, overlapSlices: number): number[] {
  invariant(overlapSlices >= 0 && overlapSlices < slices, 'blocks overlap by less than their size');
  const stride = Math.max(1, Math.floor(slices - overlapSlices));
  const starts = [0];
  for (let start = 0; start + slices < depth;) {
    start = Math.min(start + stride, depth - slices);
    starts.push(start);
  }
  return starts;
}

/** A copy of `slices` slices from `start` on; slices outside the volume repeat its nearest one. */
function cut(image: Float32Array, area: number, depth: number, start: number, slices: number): Float32Array {
  const block = new Float32Array(slices * area);
  for (let i = 0; i < slices; i++) {
    const slice = Math.min(depth - 1, Math.max(0, start + i));
    block.set(image.subarray(slice * area, (slice + 1) * area), i * area);
  }
  return block;
}

function addInto(target: Float32Array, start: number, source: Float32Array): void {
  for (let i = 0; i < source.length; i++) target[start + i] = (target[start + i] ?? 0) + (source[i] ?? 0);
}

function checkSize(what: string, found: number, expected: number): void {
  if (found === expected && expected > 0) return;
  throw new Failure(
    'SHAPE_MISMATCH',
    { found, expected },
    { message: `${what} has ${String(found)} voxels instead of ${String(expected)}.` },
  );
}

const cancelled = () => new Failure('CANCELLED', {}, { message: 'The prediction was cancelled.' });
