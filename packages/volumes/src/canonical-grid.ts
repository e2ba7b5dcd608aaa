import { invariant } from '@lvnet/core';
import type { Geometry, Triple } from './geometry.js';

/**
 * The one orientation in which every case is prepared: columns grow to the patient's left, rows to
 * the back, slices to the head (LPS). It is how DICOM orders pixels and how radiologists see a slice,
 * so a prepared slice is upright in a picture without turning, and slices are always axial.
 */
export const canonicalOrientation = 'LPS';

/** How to walk through source voxels (x fastest) in canonical order: index = base + column * columnStride + ... */
export interface CanonicalGrid {
  depth: number;
  rows: number;
  columns: number;
  base: number;
  sliceStride: number;
  rowStride: number;
  columnStride: number;
}

const opposite: Readonly<Record<string, string>> = { L: 'R', P: 'A', S: 'I' };

export function canonicalGrid({
  shape,
  orientation,
}: Pick<Geometry, 'shape' | 'orientation'>): CanonicalGrid {
  const strides: Triple = [1, shape[0], shape[0] * shape[1]];
  let base = 0;
  const axes = Array.from(canonicalOrientation, (code) => {
    const kept = orientation.indexOf(code);
    const axis = kept >= 0 ? kept : orientation.indexOf(opposite[code] ?? '');
    const [size, stride] = [shape[axis], strides[axis]];
    invariant(size !== undefined && stride !== undefined, `${orientation} names each body axis once`);
    if (kept < 0) base += (size - 1) * stride;
    return { size, stride: kept >= 0 ? stride : -stride };
  });
  const [column, row, slice] = axes;
  invariant(column !== undefined && row !== undefined && slice !== undefined, 'three axes');
  return {
    depth: slice.size,
    rows: row.size,
    columns: column.size,
    base,
    sliceStride: slice.stride,
    rowStride: row.stride,
    columnStride: column.stride,
  };
}

/** Copies a canonical slice, columns fastest, out of the source's voxels. */
export function gatherSlice(
  grid: CanonicalGrid,
  slice: number,
  source: ArrayLike<number>,
  target: Float64Array,
): void {
  let at = 0;
  for (let row = 0; row < grid.rows; row++) {
    let index = grid.base + slice * grid.sliceStride + row * grid.rowStride;
    for (let column = 0; column < grid.columns; column++) {
      target[at++] = source[index] ?? 0;
      index += grid.columnStride;
    }
  }
}

/** The reverse of gatherSlice: puts a canonical slice where it belongs in the source's grid. */
export function scatterSlice(
  grid: CanonicalGrid,
  slice: number,
  source: Float64Array,
  target: Uint8Array | Float32Array,
): void {
  let at = 0;
  for (let row = 0; row < grid.rows; row++) {
    let index = grid.base + slice * grid.sliceStride + row * grid.rowStride;
    for (let column = 0; column < grid.columns; column++) {
      target[index] = source[at++] ?? 0;
      index += grid.columnStride;
    }
  }
}
