import type { VolumeShape } from './volume-shape.js';

/** Along slices, rows and columns. */
export type Triple = readonly [number, number, number];

/**
 * A convolution of any kernel, stride, zero padding and dilation; n, d, h, w are those of its input. An image
 * is a volume of one slice. With forward and input gradient changed over it is a transposed convolution,
 * whose PyTorch layout [in, out, kd, kh, kw] then is the same weight.
 */
export interface DenseShape extends VolumeShape {
  ci: number;
  co: number;
  kernel: Triple;
  stride: Triple;
  padding: Triple;
  dilation: Triple;
}

/** Windows of a maximum; padding never wins. n, d, h, w are those of the input; at most 255 voxels a window. */
export interface MaxPoolShape extends VolumeShape {
  c: number;
  kernel: Triple;
  stride: Triple;
  padding: Triple;
}

/**
 * Where an output position looks: `nearest` at floor(o in / out), `centres` half-way pixels (align_corners
 * false), `corners` first and last of both on top of each other (align_corners true).
 */
export type ResizeRule = 'nearest' | 'centres' | 'corners';

/** n, d, h, w are those of the input, `to` is the output's size. */
export interface ResizeShape extends VolumeShape {
  c: number;
  to: Triple;
}

/** x [n, voxels, c]; each sample's channels are normalised in `groups` groups of neighbours. */
export interface GroupNormShape {
  n: number;
  voxels: number;
  c: number;
  groups: number;
}

export interface GroupNormParameters {
  gamma: Float32Array;
  beta: Float32Array;
  epsilon: number;
  /** Normalise max(0, x) instead of x. */
  rectified: boolean;
}

/** What is done to a convolution's sums, channel by channel [co]: times scale plus shift, then the rectifier. */
interface ConvolutionFinish {
  scale: Float32Array;
  shift: Float32Array;
  rectified: boolean;
}

/** What the dense networks need beside the kernels of LV-Net. Outputs are overwritten, never read. */
export interface DenseKernels {
  /** weight [co, ci, kd, kh, kw], bias [co]. */
  convolutionForward(
    s: DenseShape,
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array | null,
    y: Float32Array,
  ): void;
  /** For predictions: a convolution's sums and what follows them, in one. */
  convolutionInfer(
    s: DenseShape,
    x: Float32Array,
    weight: Float32Array,
    finish: ConvolutionFinish,
    y: Float32Array,
  ): void;
  /** bias [ci] is added to dx: that of a transposed convolution, whose output dx is. */
  convolutionBackwardInput(
    s: DenseShape,
    dy: Float32Array,
    weight: Float32Array,
    bias: Float32Array | null,
    dx: Float32Array,
  ): void;
  convolutionBackwardFilter(s: DenseShape, x: Float32Array, dy: Float32Array, dweight: Float32Array): void;
  /** The sum of each column of x [rows, c]: the gradient of a bias. */
  sumRows(rows: number, c: number, x: Float32Array, sums: Float32Array): void;
  /** The first of the largest wins, or a NaN; `winners` holds its place in the window (row-major). */
  maxPoolForward(s: MaxPoolShape, x: Float32Array, y: Float32Array, winners: Uint8Array): void;
  maxPoolBackward(s: MaxPoolShape, dy: Float32Array, winners: Uint8Array, dx: Float32Array): void;
  resizeForward(s: ResizeShape, rule: ResizeRule, x: Float32Array, y: Float32Array): void;
  resizeBackward(s: ResizeShape, rule: ResizeRule, dy: Float32Array, dx: Float32Array): void;
  /** mean and variance (biased) [n, groups] are filled. */
  groupNormForward(
    s: GroupNormShape,
    x: Float32Array,
    p: GroupNormParameters,
    mean: Float32Array,
    variance: Float32Array,
    y: Float32Array,
  ): void;
  groupNormBackward(
    s: GroupNormShape,
    x: Float32Array,
    p: GroupNormParameters,
    mean: Float32Array,
    variance: Float32Array,
    dy: Float32Array,
    dx: Float32Array,
    dgamma: Float32Array,
    dbeta: Float32Array,
  ): void;
  reluForward(x: Float32Array, y: Float32Array): void;
  /** By the output y: the input need not be kept. */
  reluBackward(y: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = x where x > 0, slope x elsewhere; one slope for all channels. */
  preluForward(x: Float32Array, slope: number, y: Float32Array): void;
  /** @returns the gradient of the slope */
  preluBackward(x: Float32Array, slope: number, dy: Float32Array, dx: Float32Array): number;
  /** Copies `count` channels of each of `rows` voxels: the parts of a concatenation, or out of one. */
  copyChannels(
    rows: number,
    count: number,
    from: { values: Float32Array; c: number; first: number },
    to: { values: Float32Array; c: number; first: number },
  ): void;
}

/** Voxels of a convolution's or pool's output along each axis. */
export function outputSize(s: Omit<DenseShape, 'ci' | 'co' | 'n'>): Triple {
  const along = (axis: 0 | 1 | 2, size: number) =>
    Math.floor((size + 2 * s.padding[axis] - s.dilation[axis] * (s.kernel[axis] - 1) - 1) / s.stride[axis]) +
    1;
  return [along(0, s.d), along(1, s.h), along(2, s.w)];
}

/** Input positions that an output position reads along one axis, and the share of the second. */
export function resizeTaps(
  size: number,
  to: number,
  rule: ResizeRule,
): { low: number; high: number; weight: number }[] {
  return Array.from({ length: to }, (_, o) => {
    if (rule === 'nearest') {
      const low = Math.floor((o * size) / to);
      return { low, high: low, weight: 0 };
    }
    const source =
      rule === 'corners'
        ? to > 1
          ? (o * (size - 1)) / (to - 1)
          : 0
        : Math.max(0, ((o + 0.5) * size) / to - 0.5);
    const low = Math.min(size - 1, Math.floor(source));
    return { low, high: Math.min(size - 1, low + 1), weight: source - low };
  });
}
