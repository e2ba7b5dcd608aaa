/**
 * Random fields over voxel positions from integer hashing: plain arithmetic, so the same bits on
 * every machine, and any voxel can be drawn without its neighbours.
 */
export interface NoiseField {
  /** In [-1, 1], standard deviation about 0.41, independent from voxel to voxel. */
  white(x: number, y: number, z: number): number;
  /** In [-1, 1], smooth over about `period` voxels (periods along x and y, and along z). */
  smooth(x: number, y: number, z: number, period: number, periodZ: number): number;
}

export function noiseField(seed: number): NoiseField {
  const lattice = (x: number, y: number, z: number) => hash(seed, x, y, z) / 0x80000000 - 1;
  return {
    white(x, y, z) {
      const bits = hash(seed ^ 0x5bd1e995, x, y, z);
      return ((bits >>> 16) + (bits & 0xffff)) / 65536 - 1;
    },
    smooth(x, y, z, period, periodZ) {
      const [px, py, pz] = [x / period, y / period, z / periodZ];
      const [ix, iy, iz] = [Math.floor(px), Math.floor(py), Math.floor(pz)];
      const [fx, fy, fz] = [ease(px - ix), ease(py - iy), ease(pz - iz)];
      const edge = (dy: number, dz: number) =>
        mix(lattice(ix, iy + dy, iz + dz), lattice(ix + 1, iy + dy, iz + dz), fx);
      return mix(mix(edge(0, 0), edge(1, 0), fy), mix(edge(0, 1), edge(1, 1), fy), fz);
    },
  };
}

const mix = (a: number, b: number, part: number) => a + (b - a) * part;
const ease = (t: number) => t * t * (3 - 2 * t);

/** 32 bits; rounds of multiply and shift in the manner of MurmurHash3's finaliser. */
function hash(seed: number, x: number, y: number, z: number): number {
  let h = seed ^ Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77) ^ Math.imul(z, 0xc2b2ae3d);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x27d4eb2f);
  return (h ^ (h >>> 16)) >>> 0;
}
