import { Failure, invariant } from '@lvnet/core';
import { canonicalGrid, scatterSlice } from './canonical-grid.js';
import { voxelCount } from './geometry.js';
import { decodeRuns, type PreparedCase } from './prepared.js';
import { sliceResampler } from './resample.js';

type Prepared = Pick<PreparedCase, 'source' | 'depth' | 'rows' | 'columns'>;

/**
 * Brings a prediction back to the source's resolution and axis order.
 *
 * @param foreground probability of liver or a mask of 0 and 1, [depth, rows, columns] of the prepared case
 * @returns 0 and 1 per voxel of the source, x fastest
 * @throws Failure('SHAPE_MISMATCH')
 */
export function restoreMask(
  prepared: Prepared,
  foreground: Float32Array | Uint8Array,
  threshold = 0.5,
): Uint8Array {
  const mask = new Uint8Array(voxelCount(prepared.source.shape));
  restoreInto(mask, prepared, foreground, (slice) => {
    for (let i = 0; i < slice.length; i++) slice[i] = (slice[i] ?? 0) >= threshold ? 1 : 0;
  });
  return mask;
}

/** As restoreMask, but the probability itself. */
export function restoreForeground(prepared: Prepared, foreground: Float32Array): Float32Array {
  const restored = new Float32Array(voxelCount(prepared.source.shape));
  restoreInto(restored, prepared, foreground, () => undefined);
  return restored;
}

function restoreInto(
  target: Uint8Array | Float32Array,
  prepared: Prepared,
  foreground: Float32Array | Uint8Array,
  change: (slice: Float64Array) => void,
): void {
  const { source, depth, rows, columns } = prepared;
  const area = rows * columns;
  if (foreground.length !== depth * area) {
    const message = `${String(foreground.length)} values do not fill ${[depth, rows, columns].join('x')}.`;
    throw new Failure('SHAPE_MISMATCH', { depth, rows, columns, found: foreground.length }, { message });
  }
  const grid = canonicalGrid(source);
  const resample = sliceResampler(prepared, grid);
  for (let k = 0; k < depth; k++) {
    const slice = resample(Float64Array.from(foreground.subarray(k * area, (k + 1) * area)));
    change(slice);
    scatterSlice(grid, k, slice, target);
  }
}

/**
 * The case's own label in the source's grid, x fastest: 0, 1, 2.
 *
 * @throws Failure('VOLUME_INVALID') for a case that has none
 */
export function sourceLabel(prepared: PreparedCase): Uint8Array {
  if (!prepared.labelled) {
    const message = `Case ${prepared.case} has no segmentation.`;
    throw new Failure('VOLUME_INVALID', { case: prepared.case }, { message, hint: 'Give a labelled case.' });
  }
  const labels = decodeRuns(prepared.sourceLabelRuns, voxelCount(prepared.source.shape));
  invariant(labels !== undefined, 'the runs of a decoded case fill its grid');
  return labels;
}
