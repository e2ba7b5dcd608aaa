/** What the header says about the place of the voxels; numbers as they stand in the file. */
export interface HeaderPlace {
  pixdim: readonly number[];
  qformCode: number;
  sformCode: number;
  /** quatern_b, c, d and the offsets x, y, z. */
  quaternion: readonly number[];
  /** srow_x, srow_y, srow_z: 12 numbers. */
  sform: readonly number[];
}

/**
 * The affine in the order of the NIfTI-1 standard: sform when its code is set, else qform, else the
 * voxel sizes with the origin at the first voxel. Undefined for a quaternion longer than 1.
 */
export function affineOf(place: HeaderPlace): number[] | undefined {
  if (place.sformCode > 0) return [...place.sform, 0, 0, 0, 1];
  if (place.qformCode > 0) return affineOfQform(place);
  const [dx, dy, dz] = sizesOf(place);
  return [dx, 0, 0, 0, 0, dy, 0, 0, 0, 0, dz, 0, 0, 0, 0, 1];
}

/** Sizes are lengths: a sign is dropped, and a missing one (flat images) counts as 1. */
function sizesOf({ pixdim }: HeaderPlace): [number, number, number] {
  const size = (axis: number) => {
    const value = Math.abs(pixdim[axis] ?? 0);
    return value > 0 ? value : 1;
  };
  return [size(1), size(2), size(3)];
}

/** Float32 components of a unit quaternion may add up to a little more than 1. */
const quaternionSlack = 1e-5;

function affineOfQform(place: HeaderPlace): number[] | undefined {
  const [b = 0, c = 0, d = 0, x = 0, y = 0, z = 0] = place.quaternion;
  const rest = 1 - (b * b + c * c + d * d);
  if (!(rest >= -quaternionSlack)) return undefined;
  const a = Math.sqrt(Math.max(0, rest));
  const s = 2 / (a * a + b * b + c * c + d * d);
  const [dx, dy, size] = sizesOf(place);
  const dz = (place.pixdim[0] ?? 0) < 0 ? -size : size;
  const row = (r0: number, r1: number, r2: number, offset: number) => [r0 * dx, r1 * dy, r2 * dz, offset];
  return [
    ...row(1 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c), x),
    ...row(s * (b * c + a * d), 1 - s * (b * b + d * d), s * (c * d - a * b), y),
    ...row(s * (b * d - a * c), s * (c * d + a * b), 1 - s * (b * b + c * c), z),
    ...[0, 0, 0, 1],
  ];
}

/**
 * The quaternion, voxel sizes and handedness of an affine, for the qform of a file that is written.
 * Shear cannot be said by a quaternion: undefined then, and the file carries the sform alone.
 */
export function qformOf(
  affine: readonly number[],
  sizes: readonly number[],
): { quaternion: [number, number, number]; handedness: 1 | -1 } | undefined {
  const at = (row: number, column: number) => (affine[row * 4 + column] ?? 0) / (sizes[column] ?? 1);
  const m = [0, 1, 2].map((row) => [0, 1, 2].map((column) => at(row, column)));
  const cell = (row: number, column: number) => m[row]?.[column] ?? 0;
  for (const [i, j] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const dot = [0, 1, 2].reduce((sum, row) => sum + cell(row, i) * cell(row, j), 0);
    if (Math.abs(dot) > 1e-4) return undefined;
  }
  const handedness = determinant(cell) < 0 ? -1 : 1;
  const r = (row: number, column: number) => cell(row, column) * (column === 2 ? handedness : 1);
  return { quaternion: quaternionOf(r), handedness };
}

type Matrix = (row: number, column: number) => number;

function determinant(m: Matrix): number {
  return (
    m(0, 0) * (m(1, 1) * m(2, 2) - m(1, 2) * m(2, 1)) -
    m(0, 1) * (m(1, 0) * m(2, 2) - m(1, 2) * m(2, 0)) +
    m(0, 2) * (m(1, 0) * m(2, 1) - m(1, 1) * m(2, 0))
  );
}

/** Components b, c, d with a >= 0; each formula divides by the largest component, so none by zero. */
function quaternionOf(r: Matrix): [number, number, number] {
  const squares = [
    1 + r(0, 0) + r(1, 1) + r(2, 2),
    1 + r(0, 0) - r(1, 1) - r(2, 2),
    1 - r(0, 0) + r(1, 1) - r(2, 2),
    1 - r(0, 0) - r(1, 1) + r(2, 2),
  ];
  const largest = squares.indexOf(Math.max(...squares));
  const s = 2 * Math.sqrt(squares[largest] ?? 1);
  const ab = (r(2, 1) - r(1, 2)) / s;
  const ac = (r(0, 2) - r(2, 0)) / s;
  const ad = (r(1, 0) - r(0, 1)) / s;
  const bc = (r(0, 1) + r(1, 0)) / s;
  const bd = (r(0, 2) + r(2, 0)) / s;
  const cd = (r(1, 2) + r(2, 1)) / s;
  if (largest === 0) return [ab, ac, ad];
  const [a, b, c, d] =
    largest === 1 ? [ab, s / 4, bc, bd] : largest === 2 ? [ac, bc, s / 4, cd] : [ad, bd, cd, s / 4];
  return a < 0 ? [-b, -c, -d] : [b, c, d];
}
