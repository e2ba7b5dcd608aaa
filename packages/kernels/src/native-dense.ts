import {
  outputSize,
  type DenseKernels,
  type DenseShape,
  type MaxPoolShape,
  type ResizeRule,
  type ResizeShape,
} from './dense-kernels.js';

const dense = (s: DenseShape) =>
  [
    ...[s.n, s.d, s.h, s.w, ...outputSize(s), s.ci, s.co],
    ...[...s.kernel, ...s.stride, ...s.padding, ...s.dilation],
  ] as const;

const windows = (s: MaxPoolShape) =>
  [
    ...[s.n, s.d, s.h, s.w, ...outputSize({ ...s, dilation: [1, 1, 1] }), s.c],
    ...[...s.kernel, ...s.stride, ...s.padding],
  ] as const;

const rules: Record<ResizeRule, number> = { nearest: 0, centres: 1, corners: 2 };
const resize = (s: ResizeShape, rule: ResizeRule) => [s.n, s.d, s.h, s.w, ...s.to, s.c, rules[rule]] as const;

/** The kernels of the dense networks over the addon's calls. */
export function bindDense(call: (name: string, ...values: unknown[]) => unknown): DenseKernels {
  return {
    convolutionForward: (s, x, w, b, y) => void call('denseForward', ...dense(s), x, w, b, y),
    convolutionInfer: (s, x, w, { scale, shift, rectified }, y) =>
      void call('denseInfer', ...dense(s), x, w, scale, shift, Number(rectified), y),
    convolutionBackwardInput: (s, dy, w, b, dx) => void call('denseBackwardInput', ...dense(s), dy, w, b, dx),
    convolutionBackwardFilter: (s, x, dy, dw) => void call('denseBackwardFilter', ...dense(s), x, dy, dw),
    sumRows: (rows, c, x, sums) => void call('sumRows', rows, c, x, sums),
    maxPoolForward: (s, x, y, winners) => void call('maxPoolForward', ...windows(s), x, y, winners),
    maxPoolBackward: (s, dy, winners, dx) => void call('maxPoolBackward', ...windows(s), dy, winners, dx),
    resizeForward: (s, rule, x, y) => void call('resizeForward', ...resize(s, rule), x, y),
    resizeBackward: (s, rule, dy, dx) => void call('resizeBackward', ...resize(s, rule), dy, dx),
    groupNormForward: (s, x, p, mean, variance, y) =>
      void call(
        'groupNormForward',
        ...[s.n, s.voxels, s.c, s.groups, p.epsilon, Number(p.rectified)],
        ...[x, p.gamma, p.beta, mean, variance, y],
      ),
    groupNormBackward: (s, x, p, mean, variance, dy, dx, dgamma, dbeta) =>
      void call(
        'groupNormBackward',
        ...[s.n, s.voxels, s.c, s.groups, p.epsilon, Number(p.rectified)],
        ...[x, p.gamma, mean, variance, dy, dx, dgamma, dbeta],
      ),
    reluForward: (x, y) => void call('reluForward', x.length, x, y),
    reluBackward: (y, dy, dx) => void call('reluBackward', y.length, y, dy, dx),
    preluForward: (x, slope, y) => void call('preluForward', x.length, slope, x, y),
    preluBackward: (x, slope, dy, dx) => Number(call('preluBackward', x.length, slope, x, dy, dx)),
    copyChannels: (rows, count, from, to) =>
      void call('copyChannels', rows, count, from.values, from.c, from.first, to.values, to.c, to.first),
  };
}
