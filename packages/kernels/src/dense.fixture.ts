import { outputSize, type DenseShape, type MaxPoolShape, type ResizeShape } from './dense-kernels.js';
import { numbers } from './kernels.fixture.js';
import type { KernelSet } from './kernel-set.js';

/** Results of one operation by name. */
export type Results = Record<string, Float32Array>;

/** Convolutions whose padding, stride and dilation cut volumes in every way; sizes are those of the input. */
export const denseShapes: Record<string, DenseShape> = {
  'pointwise, 3 to 5': shapeOf([2, 3, 5, 7], 3, 5, 1, 1, 0, 1),
  '3x3x3, one voxel': shapeOf([1, 1, 1, 1], 2, 3, 3, 1, 1, 1),
  '3x3x3, 1 to 32': shapeOf([1, 3, 9, 11], 1, 32, 3, 1, 1, 1),
  '5x5x5, 16 to 17': shapeOf([1, 3, 5, 8], 16, 17, 5, 1, 2, 1),
  'image, 3x3, 20 to 33': shapeOf([3, 1, 9, 14], 20, 33, [1, 3, 3], 1, [0, 1, 1], 1),
  'image, 3x3, dilation 5': shapeOf([2, 1, 9, 7], 4, 6, [1, 3, 3], 1, [0, 5, 5], [1, 5, 5]),
  'image, 3x3, dilation 3': shapeOf([1, 1, 11, 13], 5, 3, [1, 3, 3], 1, [0, 3, 3], [1, 3, 3]),
  'image, 7x7, stride 2': shapeOf([2, 1, 15, 16], 3, 18, [1, 7, 7], [1, 2, 2], [0, 3, 3], 1),
  'image, 1x1, stride 2': shapeOf([2, 1, 7, 10], 5, 9, 1, [1, 2, 2], 0, 1),
  'image, 3x3, stride 2': shapeOf([1, 1, 8, 10], 6, 20, [1, 3, 3], [1, 2, 2], [0, 1, 1], 1),
  'image, 4x4, stride 2': shapeOf([1, 1, 12, 10], 8, 5, [1, 4, 4], [1, 2, 2], [0, 1, 1], 1),
  '2x2x2, stride 2': shapeOf([1, 4, 6, 8], 16, 33, 2, 2, 0, 1),
  mixed: shapeOf([2, 5, 7, 9], 3, 4, [2, 3, 5], [3, 1, 2], [1, 0, 2], [2, 3, 1]),
  'many channels': shapeOf([1, 2, 3, 4], 300, 70, [1, 3, 3], 1, [0, 1, 1], 1),
  'many rows': shapeOf([1, 4, 20, 23], 5, 7, 3, 1, 1, 1),
};

type Each = number | readonly [number, number, number];

export function shapeOf(
  [n, d, h, w]: readonly [number, number, number, number],
  ci: number,
  co: number,
  kernel: Each,
  stride: Each,
  padding: Each,
  dilation: Each,
): DenseShape {
  const each = (value: Each) => (typeof value === 'number' ? ([value, value, value] as const) : value);
  const triples = {
    kernel: each(kernel),
    stride: each(stride),
    padding: each(padding),
    dilation: each(dilation),
  };
  return { n, d, h, w, ci, co, ...triples };
}

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

export const lengthsOf = (s: DenseShape) => ({
  x: s.n * s.d * s.h * s.w * s.ci,
  y: s.n * product(outputSize(s)) * s.co,
  weight: s.ci * s.co * product(s.kernel),
});

/** All passes of a convolution; `transposed` adds a bias to the input gradient. */
export function convolve(
  k: KernelSet,
  s: DenseShape,
  like: (values: Float32Array) => Float32Array = (v) => v,
): Results {
  const size = lengthsOf(s);
  const [x, dy, weight] = [numbers(size.x, 1), numbers(size.y, 2), numbers(size.weight, 3)].map(
    like,
  ) as Three;
  const [bias, inputBias] = [like(numbers(s.co, 4)), like(numbers(s.ci, 5))];
  const room = (length: number) => like(new Float32Array(length).fill(Number.NaN));
  const scale = like(numbers(s.co, 6));
  const [rectified, finished] = [room(size.y), room(size.y)];
  const [y, dx, transposed, dw, db] = [size.y, size.x, size.x, size.weight, s.co].map(room) as Five;
  k.convolutionForward(s, x, weight, bias, y);
  k.convolutionInfer(s, x, weight, { scale, shift: bias, rectified: true }, rectified);
  k.convolutionInfer(s, x, weight, { scale, shift: bias, rectified: false }, finished);
  k.convolutionBackwardInput(s, dy, weight, null, dx);
  k.convolutionBackwardInput(s, dy, weight, inputBias, transposed);
  k.convolutionBackwardFilter(s, x, dy, dw);
  k.sumRows(size.y / s.co, s.co, dy, db);
  return { y, rectified, finished, dx, transposed, dw, db };
}

type Three = [Float32Array, Float32Array, Float32Array];
type Five = [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];

const one = [1, 1, 1] as const;
export const poolShapes: Record<string, MaxPoolShape> = {
  '2x2x2, stride 2, padding 1': {
    n: 2,
    d: 3,
    h: 4,
    w: 7,
    c: 5,
    kernel: [2, 2, 2],
    stride: [2, 2, 2],
    padding: one,
  },
  'one slice, padding 1': {
    n: 1,
    d: 1,
    h: 8,
    w: 6,
    c: 17,
    kernel: [2, 2, 2],
    stride: [2, 2, 2],
    padding: one,
  },
  'image, 3x3, stride 2, padding 1': {
    ...{ n: 2, d: 1, h: 7, w: 10, c: 3 },
    ...{ kernel: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1] },
  },
  ...Object.fromEntries(
    ([2, 3, 5, 6] as const).map((k) => [
      `image, ${String(k)}x${String(k)}`,
      {
        n: 1,
        d: 1,
        h: 13,
        w: 17,
        c: 20,
        kernel: [1, k, k] as const,
        stride: [1, k, k] as const,
        padding: [0, 0, 0] as const,
      },
    ]),
  ),
};

export const resizeShapes: Record<string, ResizeShape> = {
  'to twice the size': { n: 2, d: 2, h: 3, w: 5, c: 3, to: [4, 6, 10] },
  'from one voxel': { n: 1, d: 1, h: 1, w: 1, c: 17, to: [3, 2, 5] },
  'image to twice the size': { n: 2, d: 1, h: 5, w: 3, c: 16, to: [1, 10, 6] },
  'image, 5 to 16 and 3 to 7': { n: 1, d: 1, h: 5, w: 3, c: 2, to: [1, 16, 7] },
  'odd and smaller': { n: 1, d: 9, h: 5, w: 7, c: 5, to: [16, 9, 4] },
  'to one voxel': { n: 1, d: 2, h: 3, w: 4, c: 1, to: [1, 1, 1] },
};

/** Values with ties, of which the first must win. */
export const tied = (length: number, seed: number) =>
  numbers(length, seed).map((value) => Math.round(value * 4) / 4);
