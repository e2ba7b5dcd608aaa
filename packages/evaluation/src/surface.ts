import type { PaddedMask, VolumeShape } from './mask.js';

/** 6: neighbours share a face; 18: a face or an edge. */
export type SurfaceNeighbourhood = 6 | 18;

/**
 * Indices of the mask's surface voxels, ascending: those that its erosion by the neighbourhood takes away.
 * Outside the mask's border is background.
 */
export function surfaceVoxels({ mask, shape }: PaddedMask, neighbourhood: SurfaceNeighbourhood): Uint32Array {
  const offsets = neighbourOffsets(shape, neighbourhood);
  const isSurface = (voxel: number) => {
    for (const offset of offsets) if (mask[voxel + offset] === 0) return true;
    return false;
  };
  let count = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1 && isSurface(i)) count++;
  const surface = new Uint32Array(count);
  for (let i = 0, n = 0; n < count; i++) if (mask[i] === 1 && isSurface(i)) surface[n++] = i;
  return surface;
}

function neighbourOffsets([nx, ny]: VolumeShape, neighbourhood: SurfaceNeighbourhood): Int32Array {
  const reach = neighbourhood === 6 ? 1 : 2;
  const near = [-1, 0, 1];
  const offsets = near.flatMap((z) =>
    near.flatMap((y) =>
      near.flatMap((x) => {
        const steps = Math.abs(x) + Math.abs(y) + Math.abs(z);
        return steps > 0 && steps <= reach ? [x + nx * (y + ny * z)] : [];
      }),
    ),
  );
  return Int32Array.from(offsets);
}
