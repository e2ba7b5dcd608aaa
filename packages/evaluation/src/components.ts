import { Failure } from '@lvnet/core';

/** 6: voxels hang together by a face; 26: by a face, an edge or a corner. */
export type Connectivity = 6 | 26;

/**
 * The largest connected component of a mask as a new mask of 0 and 1; the first of equals; empty for an empty mask.
 *
 * @param shape axes from fastest to slowest, so [nx, ny, nz] or [columns, rows, slices]
 * @throws Failure('VOLUME_SHAPE_MISMATCH')
 */
export function largestComponent(
  mask: Uint8Array,
  shape: readonly [number, number, number],
  connectivity: Connectivity = 6,
): Uint8Array {
  checkSize(mask, shape);
  const seen = mask.map((value) => (value === 0 ? 1 : 0));
  const queue = new Uint32Array(mask.length);
  const neighbours = neighboursIn(shape, connectivity);
  let largest = new Uint32Array(0);
  for (let start = 0; start < mask.length; start++) {
    if (seen[start] === 1) continue;
    const size = flood(start, seen, queue, neighbours);
    if (size > largest.length) largest = queue.slice(0, size);
  }
  const result = new Uint8Array(mask.length);
  for (const voxel of largest) result[voxel] = 1;
  return result;
}

type VisitNeighbours = (voxel: number, visit: (neighbour: number) => void) => void;

/** Fills the queue with the component of `start`, marks it as seen and returns its size. */
function flood(start: number, seen: Uint8Array, queue: Uint32Array, neighbours: VisitNeighbours): number {
  let size = 0;
  const add = (voxel: number) => {
    if (seen[voxel] !== 0) return;
    seen[voxel] = 1;
    queue[size++] = voxel;
  };
  add(start);
  for (let next = 0; next < size; next++) neighbours(queue[next] ?? 0, add);
  return size;
}

function neighboursIn(
  [nx, ny, nz]: readonly [number, number, number],
  connectivity: Connectivity,
): VisitNeighbours {
  const ways = waysOf(connectivity).map(([dx, dy, dz]) => ({ dx, dy, dz, offset: dx + nx * (dy + ny * dz) }));
  return (voxel, visit) => {
    const x = voxel % nx;
    const row = (voxel - x) / nx;
    const y = row % ny;
    const z = (row - y) / ny;
    const isInside = x > 0 && x < nx - 1 && y > 0 && y < ny - 1 && z > 0 && z < nz - 1;
    for (const { dx, dy, dz, offset } of ways) {
      if (isInside || (within(x + dx, nx) && within(y + dy, ny) && within(z + dz, nz))) visit(voxel + offset);
    }
  };
}

const within = (at: number, extent: number): boolean => at >= 0 && at < extent;

function waysOf(connectivity: Connectivity): [number, number, number][] {
  const near = [-1, 0, 1];
  const all = near.flatMap((z) => near.flatMap((y) => near.map((x): [number, number, number] => [x, y, z])));
  const steps = ([x, y, z]: [number, number, number]) => Math.abs(x) + Math.abs(y) + Math.abs(z);
  return all.filter((way) => steps(way) > 0 && steps(way) <= (connectivity === 6 ? 1 : 3));
}

function checkSize(mask: Uint8Array, shape: readonly [number, number, number]): void {
  const expected = shape[0] * shape[1] * shape[2];
  if (mask.length === expected) return;
  throw new Failure(
    'VOLUME_SHAPE_MISMATCH',
    { shape, expected, found: mask.length },
    { message: `The mask has ${String(mask.length)} voxels; ${shape.join('x')} are ${String(expected)}.` },
  );
}
