import type { KernelSet } from '../kernel-set.js';
import type { VolumeShape } from '../volume-shape.js';

const at = (array: Float32Array | Float64Array, i: number): number => array[i] ?? Number.NaN;

/** Input positions and weights of each output position along one axis (half-pixel centres, edges clamped). */
function linearTaps(size: number, factor: number): { low: number; high: number; weight: number }[] {
  return Array.from({ length: size * factor }, (_, o) => {
    const source = Math.max(0, (o + 0.5) / factor - 0.5);
    const low = Math.min(size - 1, Math.floor(source));
    return { low, high: Math.min(size - 1, low + 1), weight: source - low };
  });
}

function forEachCorner(
  s: VolumeShape,
  factor: number,
  visit: (output: number, input: number, weight: number) => void,
): void {
  const [zs, ys, xs] = [linearTaps(s.d, factor), linearTaps(s.h, factor), linearTaps(s.w, factor)];
  let output = 0;
  for (let i = 0; i < s.n; i++)
    for (const z of zs)
      for (const y of ys)
        for (const x of xs) {
          for (const [iz, wz] of [
            [z.low, 1 - z.weight],
            [z.high, z.weight],
          ] as const)
            for (const [iy, wy] of [
              [y.low, 1 - y.weight],
              [y.high, y.weight],
            ] as const)
              for (const [ix, wx] of [
                [x.low, 1 - x.weight],
                [x.high, x.weight],
              ] as const)
                visit(output, ((i * s.d + iz) * s.h + iy) * s.w + ix, wz * wy * wx);
          output++;
        }
}

function forEachChild(s: VolumeShape, visit: (parent: number, child: number) => void): void {
  const { n, d, h, w } = s;
  for (let i = 0; i < n; i++)
    for (let z = 0; z < d; z++)
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++) {
          const parent = ((i * (d / 2) + (z >> 1)) * (h / 2) + (y >> 1)) * (w / 2) + (x >> 1);
          visit(parent, ((i * d + z) * h + y) * w + x);
        }
}

export const resampling: Pick<
  KernelSet,
  'averagePoolForward' | 'averagePoolBackward' | 'upsampleForward' | 'upsampleBackward'
> = {
  averagePoolForward(s, x, y) {
    const sums = new Float64Array(y.length);
    forEachChild(s, (parent, child) => {
      for (let ch = 0; ch < s.c; ch++)
        sums[parent * s.c + ch] = at(sums, parent * s.c + ch) + at(x, child * s.c + ch) / 8;
    });
    y.set(sums);
  },
  averagePoolBackward(s, dy, dx) {
    forEachChild(s, (parent, child) => {
      for (let ch = 0; ch < s.c; ch++) dx[child * s.c + ch] = at(dy, parent * s.c + ch) / 8;
    });
  },
  upsampleForward(s, factor, x, onto, y) {
    const sums = new Float64Array(y.length);
    forEachCorner(s, factor, (output, input, weight) => {
      for (let ch = 0; ch < s.c; ch++)
        sums[output * s.c + ch] = at(sums, output * s.c + ch) + weight * at(x, input * s.c + ch);
    });
    y.set(sums);
    if (onto !== null) y.forEach((value, i) => (y[i] = value + at(onto, i)));
  },
  upsampleBackward(s, factor, dy, dx) {
    const sums = new Float64Array(dx.length);
    forEachCorner(s, factor, (output, input, weight) => {
      for (let ch = 0; ch < s.c; ch++)
        sums[input * s.c + ch] = at(sums, input * s.c + ch) + weight * at(dy, output * s.c + ch);
    });
    dx.set(sums);
  },
};
