import { Failure, invariant } from '@lvnet/core';
import { canonicalGrid } from './canonical-grid.js';
import { voxelCount } from './geometry.js';
import { decodeRuns, type PreparedCase } from './prepared.js';
import { sliceResampler } from './resample.js';

/**
 * Brings a prediction back to the source's resolution and axis order.
 *
 * @param foreground probability of liver or a mask of 0 and 1, [depth, rows, columns] of the prepared case
 * @returns 0 and 1 per voxel of the source, x fastest
 * @throws Failure('SHAPE_MISMATCH')
 */
export function restoreMask(
  prepared: Pick<PreparedCase, 'source' | 'depth' | 'rows' | 'columns'>,
  foreground: Float32Array | Uint8Array,
  threshold = 0.5,
): Uint8Array {
  const { source, depth, rows, columns } = prepared;
  const area = rows * columns;
  if (foreground.length !== depth * area) {
    const message = `${String(foreground.length)} values do not fill ${[depth, rows, columns].join('x')}.`;
    throw new Failure('SHAPE_MISMATCH', { depth, rows, columns, found: foreground.length }, { message });
  }
  const grid = canonicalGrid(source);
  const mask = new Uint8Array(voxelCount(source.shape));
  const resample = sliceResampler(prepared, grid);
  for (let k = 0; k < depth; k++) {
    const slice = resample(Float64Array.from(foreground.subarray(k * area, (k + 1) * area)));
    let at = 0;
    for (let row = 0; row < grid.rows; row++) {
      const start = grid.base + k * grid.sliceStride + row * grid.rowStride;
      for (let column = 0; column < grid.columns; column++) {
        if ((slice[at++] ?? 0) >= threshold) mask[start + column * grid.columnStride] = 1;
      }
    }
  }
  return mask;
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
