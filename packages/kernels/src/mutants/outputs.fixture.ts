import type { KernelSet } from '../kernel-set.js';

export type Values = Float32Array | Uint8Array | Uint16Array;

/** The kernels that compute numbers. */
export type KernelName = Exclude<keyof KernelSet, 'name' | 'allocate' | 'irbSavedLength'>;

/** Output arrays by name, null where a caller leaves one out; `d...` are gradients. Scalars are `returned`. */
type Outputs = {
  [K in KernelName]: (...values: Parameters<KernelSet[K]>) => Record<string, Values | null>;
};

/** What each kernel writes. A kernel that is missing here does not compile, and fails the test of the mutants. */
export const outputsOf: Outputs = {
  conv3dForward: (_s, _x, _w, _b, y) => ({ y }),
  conv3dInfer: (_s, _x, _w, _b, _activation, y) => ({ y }),
  conv3dBackwardInput: (_s, _dy, _w, dx) => ({ dx }),
  conv3dBackwardFilter: (_s, _x, _dy, dweight, dbias) => ({ dweight, dbias }),
  depthwise3dForward: (_s, _x, _w, _b, y) => ({ y }),
  depthwise3dBackwardInput: (_s, _dy, _w, dx) => ({ dx }),
  depthwise3dBackwardFilter: (_s, _x, _dy, dweight, dbias) => ({ dweight, dbias }),
  batchNormStatistics: (_rows, _c, _x, mean, variance) => ({ mean, variance }),
  batchNormForward: (_rows, _c, _x, _p, _activation, _residual, y) => ({ y }),
  batchNormBackward: (_rows, _c, _x, _p, _activation, _dy, dx, dgamma, dbeta) => ({ dx, dgamma, dbeta }),
  averagePoolForward: (_s, _x, y) => ({ y }),
  averagePoolBackward: (_s, _dy, dx) => ({ dx }),
  upsampleForward: (_s, _factor, _x, _onto, y) => ({ y }),
  upsampleBackward: (_s, _factor, _dy, dx) => ({ dx }),
  foreground: (_rows, _classes, _logits, p) => ({ p }),
  softmaxCrossEntropy: (_rows, _classes, _logits, _labels, dlogits) => ({ dlogits }),
  irbForward: (_s, _x, _p, _o, y, statistics) => ({ y, ...statistics }),
  irbBackward: (_s, _x, _p, _o, _statistics, _saved, _dy, dx, gradients) => ({
    dx,
    ...Object.fromEntries(
      (Object.entries(gradients) as [string, Float32Array | null][]).map(([name, d]) => [`d${name}`, d]),
    ),
  }),
  irbInfer: (_s, _x, _p, _o, _statistics, y) => ({ y }),
  convolutionForward: (_s, _x, _w, _b, y) => ({ y }),
  convolutionInfer: (_s, _x, _w, _finish, y) => ({ y }),
  convolutionBackwardInput: (_s, _dy, _w, _b, dx) => ({ dx }),
  convolutionBackwardFilter: (_s, _x, _dy, dweight) => ({ dweight }),
  sumRows: (_rows, _c, _x, dbias) => ({ dbias }),
  maxPoolForward: (_s, _x, y, winners) => ({ y, winners }),
  maxPoolBackward: (_s, _dy, _winners, dx) => ({ dx }),
  resizeForward: (_s, _rule, _x, y) => ({ y }),
  resizeBackward: (_s, _rule, _dy, dx) => ({ dx }),
  groupNormForward: (_s, _x, _p, mean, variance, y) => ({ mean, variance, y }),
  groupNormBackward: (_s, _x, _p, _mean, _variance, _dy, dx, dgamma, dbeta) => ({ dx, dgamma, dbeta }),
  reluForward: (_x, y) => ({ y }),
  reluBackward: (_y, _dy, dx) => ({ dx }),
  preluForward: (_x, _slope, y) => ({ y }),
  preluBackward: (_x, _slope, _dy, dx) => ({ dx }),
  copyChannels: (_rows, _count, _from, to) => ({ to: to.values }),
  add: (_a, _b, sum) => ({ sum }),
  addTree: (_sources, _order, _rounded, sum) => ({ sum }),
  roundToBf16: (into) => ({ into }),
  fromBf16: (into) => ({ into }),
  scaleInto: (into) => ({ into }),
  isAllFinite: () => ({}),
  checksum: () => ({}),
  sumOfSquares: () => ({}),
  adamStep: ({ weights, m, v }) => ({ weights, m, v }),
};

/** Weights whose taps a kernel may forget. */
export const tapsOf: Partial<{
  [K in KernelName]: (...values: Parameters<KernelSet[K]>) => Float32Array;
}> = {
  conv3dForward: (_s, _x, w) => w,
  conv3dInfer: (_s, _x, w) => w,
  conv3dBackwardInput: (_s, _dy, w) => w,
  depthwise3dForward: (_s, _x, w) => w,
  depthwise3dBackwardInput: (_s, _dy, w) => w,
  convolutionForward: (_s, _x, w) => w,
  convolutionInfer: (_s, _x, w) => w,
  convolutionBackwardInput: (_s, _dy, w) => w,
  irbForward: (_s, _x, p) => p.depthwiseWeight,
  irbBackward: (_s, _x, p) => p.depthwiseWeight,
  irbInfer: (_s, _x, p) => p.depthwiseWeight,
};
