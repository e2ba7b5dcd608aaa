import type { Spacing, VolumeShape } from './mask.js';

type Point = [x: number, y: number, z: number];

/** The slow and plain way to the surface metrics, from the definitions alone. */
export function bruteDistances(
  from: Uint8Array,
  to: Uint8Array,
  shape: VolumeShape,
  spacingMm: Spacing,
  reach: 1 | 2 = 2,
): number[] {
  const targets = bruteSurface(to, shape, reach);
  return bruteSurface(from, shape, reach).map((point) =>
    Math.min(
      ...targets.map((target) =>
        Math.hypot(...point.map((at, axis) => (at - (target[axis] ?? 0)) * (spacingMm[axis] ?? 0))),
      ),
    ),
  );
}

/** Foreground points with a background neighbour at no more than `reach` steps along different axes. */
function bruteSurface(mask: Uint8Array, [nx, ny, nz]: VolumeShape, reach: 1 | 2): Point[] {
  const isSet = ([x, y, z]: Point) =>
    x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz && mask[x + nx * (y + ny * z)] !== 0;
  return pointsOf([nx, ny, nz]).filter(
    (point) => isSet(point) && waysWithin(reach).some((way) => !isSet(added(point, way))),
  );
}

const added = ([x, y, z]: Point, [dx, dy, dz]: Point): Point => [x + dx, y + dy, z + dz];

const waysWithin = (reach: number): Point[] =>
  pointsOf([3, 3, 3])
    .map((point) => added(point, [-1, -1, -1]))
    .filter((way) => way.reduce((sum, step) => sum + Math.abs(step), 0) <= reach);

function pointsOf([nx, ny, nz]: VolumeShape): Point[] {
  return Array.from({ length: nx * ny * nz }, (_, i) => [
    i % nx,
    Math.floor(i / nx) % ny,
    Math.floor(i / (nx * ny)),
  ]);
}
