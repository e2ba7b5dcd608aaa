import type { Datatype } from './nifti/datatype.js';

export type Triple = [number, number, number];

/** Where voxels lie in the body: everything about a volume but its voxels. */
export interface Geometry {
  /** Voxels along x, y, z; x is fastest in memory. */
  shape: Triple;
  /** Distance of neighbouring voxels, the norms of the affine's columns. */
  spacingMm: Triple;
  /** Voxel index to millimetres (x to the right, y forwards, z up), 4 x 4, row-major. */
  affine: number[];
  /** Where the index grows to along x, y, z: L or R, A or P, S or I, as "LAS". */
  orientation: string;
}

/** One scan in memory. */
export interface Volume extends Geometry {
  /** The type in the file, before scaling. */
  datatype: Datatype;
  /** x fastest; scaled in float64 and rounded once. */
  voxels: Float32Array;
}

export function voxelCount([nx, ny, nz]: Readonly<Triple>): number {
  return nx * ny * nz;
}

export function entry(affine: readonly number[], row: number, column: number): number {
  return affine[row * 4 + column] ?? 0;
}

export function spacingOf(affine: readonly number[]): Triple {
  const norm = (column: number) => {
    const [a, b, c] = [entry(affine, 0, column), entry(affine, 1, column), entry(affine, 2, column)];
    return Math.sqrt(a * a + b * b + c * c);
  };
  return [norm(0), norm(1), norm(2)];
}

const positive = ['R', 'A', 'S'] as const;
const negative = ['L', 'P', 'I'] as const;

/**
 * The body axis that each index axis follows most closely, each body axis used once; the first index
 * axis chooses first. Undefined where a column of the affine is zero or not finite.
 */
export function orientationOf(affine: readonly number[]): string | undefined {
  const spacing = spacingOf(affine);
  const free = new Set([0, 1, 2]);
  let codes = '';
  for (const [column, length] of spacing.entries()) {
    if (!(length > 0) || !Number.isFinite(length)) return undefined;
    let best = -1;
    let most = -1;
    for (const row of free) {
      const cosine = Math.abs(entry(affine, row, column)) / length;
      if (cosine > most) [best, most] = [row, cosine];
    }
    free.delete(best);
    codes += (entry(affine, best, column) < 0 ? negative : positive)[best] ?? '';
  }
  return codes;
}

/** True where both affines place every corner of the grid within `toleranceMm` of each other. */
export function samePlace(
  a: readonly number[],
  b: readonly number[],
  shape: Readonly<Triple>,
  toleranceMm: number,
): boolean {
  return cornersOf(shape).every((corner) => {
    const [p, q] = [locate(a, corner), locate(b, corner)];
    return p.every((value, axis) => Math.abs(value - (q[axis] ?? 0)) <= toleranceMm);
  });
}

function cornersOf([nx, ny, nz]: Readonly<Triple>): Triple[] {
  return [0, nx - 1].flatMap((x) => [0, ny - 1].flatMap((y) => [0, nz - 1].map((z): Triple => [x, y, z])));
}

function locate(affine: readonly number[], [x, y, z]: Readonly<Triple>): number[] {
  return [0, 1, 2].map(
    (row) =>
      entry(affine, row, 0) * x +
      entry(affine, row, 1) * y +
      entry(affine, row, 2) * z +
      entry(affine, row, 3),
  );
}
