import { Failure } from '@lvnet/core';

/** [nx, ny, nz]: voxels along x, y, z; x is the fastest. */
export type VolumeShape = readonly [nx: number, ny: number, nz: number];

/** Distance of neighbouring voxel centres along x, y, z in mm. */
export type Spacing = readonly [x: number, y: number, z: number];

/** Two masks on one grid, x fastest; every value but 0 is foreground. */
export interface MaskPair {
  reference: Uint8Array;
  prediction: Uint8Array;
  shape: VolumeShape;
}

/** @throws Failure('VOLUME_SHAPE_MISMATCH') unless both masks have the shape's size */
export function checkPair({ reference, prediction, shape }: MaskPair): void {
  const expected = shape[0] * shape[1] * shape[2];
  for (const [what, mask] of Object.entries({ reference, prediction })) {
    if (mask.length === expected) continue;
    throw new Failure(
      'VOLUME_SHAPE_MISMATCH',
      { mask: what, shape, expected, found: mask.length },
      {
        message: `The ${what} has ${String(mask.length)} voxels; ${shape.join('x')} are ${String(expected)}.`,
        hint: 'Check that both masks belong to the same case.',
      },
    );
  }
}

/** @throws Failure('ARGUMENT_INVALID') unless all three are finite and above 0 */
export function checkSpacing(spacingMm: Spacing): void {
  if (spacingMm.every((mm) => Number.isFinite(mm) && mm > 0)) return;
  throw new Failure(
    'ARGUMENT_INVALID',
    { spacingMm },
    {
      message: `A voxel spacing of ${spacingMm.join(' x ')} mm cannot be.`,
      hint: 'Give the spacing of the scan; every part must be above 0.',
    },
  );
}

/** First and last index per axis, both inclusive. */
export interface Box {
  first: [number, number, number];
  last: [number, number, number];
}

/** The smallest box around both masks; undefined when both are empty. */
export function boxAround({ reference, prediction, shape }: MaskPair): Box | undefined {
  const [nx, ny, nz] = shape;
  const box: Box = { first: [nx, ny, nz], last: [-1, -1, -1] };
  for (let row = 0; row < ny * nz; row++) {
    const start = row * nx;
    let [from, to] = [0, nx - 1];
    const isSet = (x: number) => reference[start + x] !== 0 || prediction[start + x] !== 0;
    while (from < nx && !isSet(from)) from++;
    if (from === nx) continue;
    while (!isSet(to)) to--;
    widen(box, 0, from, to);
    widen(box, 1, row % ny, row % ny);
    widen(box, 2, Math.floor(row / ny), Math.floor(row / ny));
  }
  return box.last[0] < 0 ? undefined : box;
}

function widen({ first, last }: Box, axis: 0 | 1 | 2, from: number, to: number): void {
  first[axis] = Math.min(first[axis], from);
  last[axis] = Math.max(last[axis], to);
}

/** A mask of 0 and 1 with a border of background on every side. */
export interface PaddedMask {
  mask: Uint8Array;
  shape: VolumeShape;
}

/** Cuts a box out of a mask and puts one voxel of background around it. */
export function cutPadded(mask: Uint8Array, [nx, ny]: VolumeShape, { first, last }: Box): PaddedMask {
  const [bx, by, bz] = [last[0] - first[0] + 3, last[1] - first[1] + 3, last[2] - first[2] + 3];
  const cut = new Uint8Array(bx * by * bz);
  for (let z = 1; z < bz - 1; z++) {
    for (let y = 1; y < by - 1; y++) {
      const source = first[0] + nx * (first[1] + y - 1 + ny * (first[2] + z - 1));
      const target = 1 + bx * (y + by * z);
      for (let x = 0; x < bx - 2; x++) cut[target + x] = mask[source + x] === 0 ? 0 : 1;
    }
  }
  return { mask: cut, shape: [bx, by, bz] };
}
