import type { ConvShape, DepthwiseShape, KernelSet } from '../kernel-set.js';
import type { VolumeShape } from '../volume-shape.js';
import { activate } from './normalisation.js';

/** Calls back for every output voxel and every tap whose input voxel lies inside. Offsets count voxels. */
function forEachTap(
  s: VolumeShape & { k: number },
  visit: (output: number, input: number, tap: number) => void,
): void {
  const { n, d, h, w, k } = s;
  const half = (k - 1) / 2;
  for (let i = 0; i < n; i++)
    for (let z = 0; z < d; z++)
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++)
          for (let kz = 0; kz < k; kz++)
            for (let ky = 0; ky < k; ky++)
              for (let kx = 0; kx < k; kx++) {
                const [iz, iy, ix] = [z + kz - half, y + ky - half, x + kx - half];
                if (iz < 0 || iz >= d || iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                visit(
                  ((i * d + z) * h + y) * w + x,
                  ((i * d + iz) * h + iy) * w + ix,
                  (kz * k + ky) * k + kx,
                );
              }
}

const voxels = (s: VolumeShape): number => s.n * s.d * s.h * s.w;
const at = (array: Float32Array | Float64Array, i: number): number => array[i] ?? Number.NaN;

function add(sums: Float64Array, i: number, value: number): void {
  sums[i] = at(sums, i) + value;
}

/** Sums are kept in float64 and rounded once. */
function rounded(sums: Float64Array, into: Float32Array): void {
  into.set(sums);
}

function biasGradient(rows: number, c: number, dy: Float32Array, dbias: Float32Array | null): void {
  if (dbias === null) return;
  const sums = new Float64Array(c);
  for (let i = 0; i < rows * c; i++) add(sums, i % c, at(dy, i));
  rounded(sums, dbias);
}

const withBias = (rows: number, c: number, bias: Float32Array | null): Float64Array =>
  Float64Array.from({ length: rows * c }, (_, i) => (bias === null ? 0 : at(bias, i % c)));

export const convolution: Pick<
  KernelSet,
  | 'conv3dForward'
  | 'conv3dInfer'
  | 'conv3dBackwardInput'
  | 'conv3dBackwardFilter'
  | 'depthwise3dForward'
  | 'depthwise3dBackwardInput'
  | 'depthwise3dBackwardFilter'
> = {
  conv3dForward(s: ConvShape, x, weight, bias, y) {
    const { ci, co, k } = s;
    const taps = k ** 3;
    const sums = withBias(voxels(s), co, bias);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, output * co + o, at(x, input * ci + i) * at(weight, (o * ci + i) * taps + tap));
    });
    rounded(sums, y);
  },
  conv3dInfer(s, x, weight, bias, activation, y) {
    this.conv3dForward(s, x, weight, bias, y);
    y.forEach((value, i) => (y[i] = activate(value, activation)));
  },
  conv3dBackwardInput(s, dy, weight, dx) {
    const { ci, co, k } = s;
    const taps = k ** 3;
    const sums = new Float64Array(voxels(s) * ci);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, input * ci + i, at(dy, output * co + o) * at(weight, (o * ci + i) * taps + tap));
    });
    rounded(sums, dx);
  },
  conv3dBackwardFilter(s, x, dy, dweight, dbias) {
    const { ci, co, k } = s;
    const taps = k ** 3;
    const sums = new Float64Array(co * ci * taps);
    forEachTap(s, (output, input, tap) => {
      for (let o = 0; o < co; o++)
        for (let i = 0; i < ci; i++)
          add(sums, (o * ci + i) * taps + tap, at(dy, output * co + o) * at(x, input * ci + i));
    });
    rounded(sums, dweight);
    biasGradient(voxels(s), co, dy, dbias);
  },
  depthwise3dForward(s: DepthwiseShape, x, weight, bias, y) {
    const { c } = s;
    const taps = s.k ** 3;
    const sums = withBias(voxels(s), c, bias);
    forEachTap(s, (output, input, tap) => {
      for (let i = 0; i < c; i++)
        add(sums, output * c + i, at(x, input * c + i) * at(weight, i * taps + tap));
    });
    rounded(sums, y);
  },
  depthwise3dBackwardInput(s, dy, weight, dx) {
    const { c } = s;
    const taps = s.k ** 3;
    const sums = new Float64Array(voxels(s) * c);
    forEachTap(s, (output, input, tap) => {
      for (let i = 0; i < c; i++)
        add(sums, input * c + i, at(dy, output * c + i) * at(weight, i * taps + tap));
    });
    rounded(sums, dx);
  },
  depthwise3dBackwardFilter(s, x, dy, dweight, dbias) {
    const { c } = s;
    const taps = s.k ** 3;
    const sums = new Float64Array(c * taps);
    forEachTap(s, (output, input, tap) => {
      for (let i = 0; i < c; i++) add(sums, i * taps + tap, at(dy, output * c + i) * at(x, input * c + i));
    });
    rounded(sums, dweight);
    biasGradient(voxels(s), c, dy, dbias);
  },
};
