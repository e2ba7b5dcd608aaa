import type { Triple } from '@lvnet/kernels';
import { tf } from '../tfjs.js';
import type { OpInput, TensorFlowBackend } from './backend.js';
import type { OpAttribute } from './binding.js';

/** TensorFlow's operations by their names there, on float32 tensors. Results belong to the open scope. */

const device = (): TensorFlowBackend => tf.backend() as TensorFlowBackend;
const types = (...names: string[]): OpAttribute[] => {
  const { TF_ATTR_TYPE, TF_FLOAT, TF_INT32 } = device().binding;
  const isIndex = (name: string) => /^(T(idx|shape|perm|paddings|labels)|Index)$/.test(name);
  return names.map((name) => ({ name, type: TF_ATTR_TYPE, value: isIndex(name) ? TF_INT32 : TF_FLOAT }));
};
const ints = (name: string, value: number | readonly number[]): OpAttribute => ({
  ...{ name, type: device().binding.TF_ATTR_INT, value },
});
const flag = (name: string, value: boolean): OpAttribute => ({
  ...{ name, type: device().binding.TF_ATTR_BOOL, value },
});
const text = (name: string, value: string): OpAttribute => ({
  ...{ name, type: device().binding.TF_ATTR_STRING, value },
});
const real = (name: string, value: number): OpAttribute => ({
  ...{ name, type: device().binding.TF_ATTR_FLOAT, value },
});
const one = (name: string, attributes: OpAttribute[], inputs: OpInput[]): tf.Tensor =>
  device().run(name, attributes, inputs)[0] as tf.Tensor;
/** Number by number; of two inputs the second may have one number for each channel, or be a single one. */
const each = (name: string, inputs: tf.Tensor[], attributes: OpAttribute[] = []): tf.Tensor =>
  device().runOnEach(name, [...types('T'), ...attributes], inputs);

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** Costs nothing by itself. */
export const reshape = (x: tf.Tensor, shape: readonly number[]): tf.Tensor => device().view(x, shape);
export const transpose = (x: tf.Tensor, axes: readonly number[]): tf.Tensor =>
  one('Transpose', types('T', 'Tperm'), [x, axes]);
export const slice = (x: tf.Tensor, from: readonly number[], size: readonly number[]): tf.Tensor =>
  one('Slice', types('T', 'Index'), [x, from, size]);
/** @param before and after: zeros in front of and behind each axis */
export const pad = (x: tf.Tensor, before: readonly number[], after: readonly number[]): tf.Tensor =>
  one('Pad', types('T', 'Tpaddings'), [x, before.map((zeros, axis) => [zeros, after[axis] ?? 0])]);
export const padWith = (
  x: tf.Tensor,
  before: readonly number[],
  after: readonly number[],
  value: number,
): tf.Tensor => {
  const paddings = before.map((count, axis) => [count, after[axis] ?? 0]);
  return one('PadV2', types('T', 'Tpaddings'), [x, paddings, tf.scalar(value)]);
};
export const concat = (xs: readonly tf.Tensor[], axis: number): tf.Tensor =>
  one('ConcatV2', [...types('T', 'Tidx'), ints('N', xs.length)], [...xs, axis]);

/** One tensor of all, along a new first axis. */
export const pack = (xs: readonly tf.Tensor[]): tf.Tensor =>
  one('Pack', [...types('T'), ints('N', xs.length), ints('axis', 0)], [...xs]);
/** The parts of the first axis, which goes. */
export const unpack = (x: tf.Tensor): tf.Tensor[] => {
  const [count = 0] = x.shape as number[];
  return device().run('Unpack', [...types('T'), ints('num', count), ints('axis', 0)], [x], count);
};

export const zeros = (shape: readonly number[]): tf.Tensor =>
  tf.tensor(new Float32Array(sizeOf(shape)), [...shape]);
export const addNumber = (x: tf.Tensor, value: number): tf.Tensor => add(x, tf.scalar(value));
export const multiplyNumber = (x: tf.Tensor, value: number): tf.Tensor => multiply(x, tf.scalar(value));
export const add = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => each('AddV2', [a, b]);
export const subtract = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => each('Sub', [a, b]);
export const multiply = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => each('Mul', [a, b]);
export const square = (x: tf.Tensor): tf.Tensor => each('Square', [x]);
export const negative = (x: tf.Tensor): tf.Tensor => each('Neg', [x]);
export const inverseRoot = (x: tf.Tensor): tf.Tensor => each('Rsqrt', [x]);
export const sum = (x: tf.Tensor, axes: readonly number[], keep = false): tf.Tensor =>
  one('Sum', [...types('T', 'Tidx'), flag('keep_dims', keep)], [x, axes]);
export const mean = (x: tf.Tensor, axes: readonly number[], keep = false): tf.Tensor =>
  one('Mean', [...types('T', 'Tidx'), flag('keep_dims', keep)], [x, axes]);
/** One value for each of the last axis added. */
export const addBias = (x: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
  one('BiasAdd', [...types('T'), text('data_format', 'NHWC')], [x, bias]);

export const matMul = (
  a: tf.Tensor,
  b: tf.Tensor,
  o: { transposeA?: boolean; transposeB?: boolean } = {},
): tf.Tensor => {
  const flags = [flag('transpose_a', o.transposeA ?? false), flag('transpose_b', o.transposeB ?? false)];
  return one('MatMul', [...types('T'), ...flags], [a, b]);
};
/** Matrices of the last two axes; the others broadcast. */
export const batchMatMul = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  one('BatchMatMulV2', [...types('T'), flag('adj_x', false), flag('adj_y', false)], [a, b]);

export type Padding = 'SAME' | 'VALID';
const conv3dAttributes = (stride: Triple, padding: Padding): OpAttribute[] => [
  ...[...types('T'), ints('strides', [1, ...stride, 1]), text('padding', padding)],
  ...[text('data_format', 'NDHWC'), ints('dilations', [1, 1, 1, 1, 1])],
];
/** w [kd, kh, kw, ci, co] */
export const conv3d = (x: tf.Tensor, w: tf.Tensor, stride: Triple, padding: Padding): tf.Tensor =>
  one('Conv3D', conv3dAttributes(stride, padding), [x, w]);
export const conv3dInput = (
  shape: readonly number[],
  w: tf.Tensor,
  dy: tf.Tensor,
  stride: Triple,
  padding: Padding,
): tf.Tensor =>
  one('Conv3DBackpropInputV2', [...conv3dAttributes(stride, padding), ...types('Tshape')], [shape, w, dy]);
export const conv3dFilter = (
  x: tf.Tensor,
  shape: readonly number[],
  dy: tf.Tensor,
  stride: Triple,
  padding: Padding,
): tf.Tensor => one('Conv3DBackpropFilterV2', conv3dAttributes(stride, padding), [x, shape, dy]);

const depthwiseAttributes = (): OpAttribute[] => [
  ...[...types('T'), ints('strides', [1, 1, 1, 1]), text('padding', 'SAME')],
  ...[text('data_format', 'NHWC'), ints('dilations', [1, 1, 1, 1])],
];
/** x [n, h, w, c], w [k, k, c, 1] */
export const depthwise2d = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
  one('DepthwiseConv2dNative', depthwiseAttributes(), [x, w]);
export const depthwise2dInput = (shape: readonly number[], w: tf.Tensor, dy: tf.Tensor): tf.Tensor =>
  one('DepthwiseConv2dNativeBackpropInput', depthwiseAttributes(), [shape, w, dy]);
export const depthwise2dFilter = (x: tf.Tensor, shape: readonly number[], dy: tf.Tensor): tf.Tensor =>
  one('DepthwiseConv2dNativeBackpropFilter', depthwiseAttributes(), [x, shape, dy]);

export const relu = (x: tf.Tensor): tf.Tensor => each('Relu', [x]);
export const reluGradient = (dy: tf.Tensor, y: tf.Tensor): tf.Tensor => each('ReluGrad', [dy, y]);
export const elu = (x: tf.Tensor): tf.Tensor => each('Elu', [x]);
export const eluGradient = (dy: tf.Tensor, y: tf.Tensor): tf.Tensor => each('EluGrad', [dy, y]);
export const leakyRelu = (x: tf.Tensor, slope: number): tf.Tensor =>
  each('LeakyRelu', [x], [real('alpha', slope)]);
export const leakyReluGradient = (dy: tf.Tensor, x: tf.Tensor, slope: number): tf.Tensor =>
  each('LeakyReluGrad', [dy, x], [real('alpha', slope)]);

const normAttributes = (epsilon: number, isTraining: boolean): OpAttribute[] => [
  ...[...types('T', 'U'), real('epsilon', epsilon), text('data_format', 'NHWC')],
  flag('is_training', isTraining),
];
/**
 * Batch norm of x [n, h, w, c] by its own statistics.
 *
 * @returns the result, mean, unbiased variance, and three reserves for the gradient
 */
export const batchNorm = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: number): tf.Tensor[] => {
  const [none, all] = [tf.tensor1d([], 'float32'), real('exponential_avg_factor', 1)];
  const inputs = [x, gamma, beta, none, none];
  return device().run('FusedBatchNormV3', [...normAttributes(epsilon, true), all], inputs, 6);
};
/** @returns dx, dgamma, dbeta */
export const batchNormGradient = (
  dy: tf.Tensor,
  x: tf.Tensor,
  gamma: tf.Tensor,
  reserves: readonly tf.Tensor[],
  epsilon: number,
): tf.Tensor[] => {
  const inputs = [dy, x, gamma, ...reserves];
  return device().run('FusedBatchNormGradV3', normAttributes(epsilon, true), inputs, 5).slice(0, 3);
};
/** Batch norm of x [1, 1, rows, c] by given statistics. */
export const batchNormInfer = (
  x: tf.Tensor,
  p: { gamma: tf.Tensor; beta: tf.Tensor; mean: tf.Tensor; variance: tf.Tensor },
  epsilon: number,
): tf.Tensor => {
  const attributes = [...normAttributes(epsilon, false), real('exponential_avg_factor', 1)];
  const inputs = [x, p.gamma, p.beta, p.mean, p.variance];
  return device().run('FusedBatchNormV3', attributes, inputs, 6)[0] as tf.Tensor;
};

const poolAttributes = (kernel: Triple, stride: Triple): OpAttribute[] => [
  ...[ints('ksize', [1, ...kernel, 1]), ints('strides', [1, ...stride, 1])],
  ...[text('padding', 'VALID'), text('data_format', 'NDHWC')],
];
export const averagePool = (x: tf.Tensor, kernel: Triple): tf.Tensor =>
  one('AvgPool3D', [...types('T'), ...poolAttributes(kernel, kernel)], [x]);
export const averagePoolGradient = (shape: readonly number[], dy: tf.Tensor, kernel: Triple): tf.Tensor =>
  one('AvgPool3DGrad', [...types('T'), ...poolAttributes(kernel, kernel)], [shape, dy]);
export const maxPool = (x: tf.Tensor, kernel: Triple, stride: Triple): tf.Tensor =>
  one('MaxPool3D', [...types('T'), ...poolAttributes(kernel, stride)], [x]);
export const logSoftmax = (x: tf.Tensor): tf.Tensor => one('LogSoftmax', types('T'), [x]);
export const exponential = (x: tf.Tensor): tf.Tensor => each('Exp', [x]);
export const sign = (x: tf.Tensor): tf.Tensor => each('Sign', [x]);
/** Rows of zeros with a one where the index says. */
export const oneHot = (indices: tf.Tensor, depth: number): tf.Tensor => {
  const { TF_ATTR_TYPE, TF_INT32 } = device().binding;
  const attributes = [...types('T'), { name: 'TI', type: TF_ATTR_TYPE, value: TF_INT32 }, ints('axis', -1)];
  return one('OneHot', attributes, [indices, depth, tf.scalar(1), tf.scalar(0)]);
};

/** Every so many numbers of each axis: from `from` up to but not including `to`. */
export interface Places {
  from: readonly number[];
  to: readonly number[];
  stride: readonly number[];
}
const masks = (): OpAttribute[] =>
  ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map((name) =>
    ints(name, 0),
  );
export const stridedSlice = (x: tf.Tensor, { from, to, stride }: Places): tf.Tensor =>
  one('StridedSlice', [...types('T', 'Index'), ...masks()], [x, from, to, stride]);
/** Zero but for those places. */
export const stridedSliceGradient = (
  shape: readonly number[],
  dy: tf.Tensor,
  { from, to, stride }: Places,
): tf.Tensor => one('StridedSliceGrad', [...types('T', 'Index'), ...masks()], [shape, from, to, stride, dy]);
