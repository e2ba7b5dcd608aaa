import { invariant } from '@lvnet/core';
import { resizeTaps, type MaxPoolShape, type ResizeRule, type Triple } from '@lvnet/kernels';
import { tf } from '../tfjs.js';
import { setAside, takeAside } from './aside.js';
import { sumOf, within, type Kernel } from './kernel.js';
import * as ops from './ops.js';

/**
 * Resizing is linear along each axis, so it is a product with a small matrix per axis, and its gradient the product
 * with the same matrix turned. TensorFlow's own operations for it know two axes, and on GPUs add in any order.
 */
function resizeMatrix(from: number, to: number, rule: ResizeRule, isTurned: boolean): tf.Tensor {
  const values = new Float32Array(from * to);
  resizeTaps(from, to, rule).forEach(({ low, high, weight }, o) => {
    const at = (i: number) => (isTurned ? i * to + o : o * from + i);
    values[at(low)] = (values[at(low)] ?? 0) + 1 - weight;
    values[at(high)] = (values[at(high)] ?? 0) + weight;
  });
  return tf.tensor2d(values, isTurned ? [from, to] : [to, from]);
}

/** x with axis 1, 2 or 3 multiplied by a matrix. */
function along(x: tf.Tensor, axis: number, matrix: tf.Tensor): tf.Tensor {
  return within(() => {
    const { shape } = x;
    const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)];
    const stack = [ops.sizeOf(before), shape[axis] ?? 0, ops.sizeOf(after)];
    const y = ops.batchMatMul(matrix, ops.reshape(x, stack));
    return ops.reshape(y, [...before, matrix.shape[0], ...after]);
  });
}

interface Axis {
  axis: number;
  from: number;
  to: number;
}

/** The axes that change, those that shrink most first: less is left for the others to do. */
function changes(shape: readonly number[], to: Triple, isTurned: boolean): Axis[] {
  const all = to.map((size, i) => ({ axis: i + 1, from: shape[i + 1] ?? 0, to: size }));
  const growth = (one: Axis) => (isTurned ? one.from / one.to : one.to / one.from);
  return all.filter((one) => one.from !== one.to).sort((a, b) => growth(a) - growth(b));
}

/** @param shape of the small side, [n, d, h, w, c] */
function resize(
  x: tf.Tensor,
  shape: readonly number[],
  to: Triple,
  rule: ResizeRule,
  isTurned: boolean,
): tf.Tensor {
  return changes(shape, to, isTurned).reduce(
    (before, one) => along(before, one.axis, resizeMatrix(one.from, one.to, rule, isTurned)),
    x,
  );
}

interface Resize {
  shape: readonly number[];
  to: Triple;
  rule: ResizeRule;
}
interface Upsample {
  shape: readonly number[];
  factor: number;
}

const same = (x: tf.Tensor): tf.Tensor => ops.reshape(x, x.shape);
const toOf = ({ shape, factor }: Upsample): Triple =>
  shape.slice(1, 4).map((size) => size * factor) as unknown as Triple;

const resizeForward: Kernel<Resize> = (inputs, { shape, to, rule }) =>
  same(resize(inputs.of('x'), shape, to, rule, false));
const resizeGradient: Kernel<Resize> = (inputs, { shape, to, rule }) =>
  same(resize(inputs.of('dy'), shape, to, rule, true));
const upsample: Kernel<Upsample> = (inputs, attributes) =>
  resize(inputs.of('x'), attributes.shape, toOf(attributes), 'centres', false);
const upsampleOnto: Kernel<Upsample> = (inputs, attributes) =>
  ops.add(resize(inputs.of('x'), attributes.shape, toOf(attributes), 'centres', false), inputs.of('onto'));
const upsampleGradient: Kernel<Upsample> = (inputs, attributes) =>
  resize(inputs.of('dy'), attributes.shape, toOf(attributes), 'centres', true);

const halved: Triple = [2, 2, 2];
const averagePool: Kernel<unknown> = (inputs) => ops.averagePool(inputs.of('x'), halved);
const averagePoolGradient: Kernel<{ shape: number[] }> = (inputs, { shape }) =>
  ops.averagePoolGradient(shape, inputs.of('dy'), halved);

interface Pool {
  s: MaxPoolShape;
}

const edges = ({ padding }: MaxPoolShape): number[] => [0, ...padding, 0];
const wide = (x: tf.Tensor, s: MaxPoolShape): tf.Tensor =>
  s.padding.every((size) => size === 0) ? x : ops.padWith(x, edges(s), edges(s), -Infinity);

const maxPool: Kernel<Pool> = (inputs, attributes) => {
  const { s } = attributes;
  const y = ops.maxPool(wide(inputs.of('x'), s), s.kernel, s.stride);
  setAside(attributes, [inputs.of('x'), y]);
  return y;
};
/** Where tap `index` of a window reads from the padded input, for all windows. */
function placesOf(index: number, { kernel, stride }: MaxPoolShape, windows: readonly number[]): ops.Places {
  const [, kh, kw] = kernel;
  const tap = [0, Math.floor(index / (kh * kw)), Math.floor(index / kw) % kh, index % kw, 0];
  const steps = [1, ...stride, 1];
  const to = tap.map((from, axis) => from + ((windows[axis] ?? 0) - 1) * (steps[axis] ?? 1) + 1);
  return { from: tap, to, stride: steps };
}

/** Tap by tap: TensorFlow's own gradient does not give a window's to the first of equals. */
const maxPoolGradient: Kernel<Pool> = (inputs, attributes) => {
  const { s } = attributes;
  const [narrow, y] = takeAside(attributes);
  invariant(narrow !== undefined && y !== undefined, 'the gradient of a pool is asked for once');
  const x = wide(narrow, s);
  let left = inputs.of('dy'); // of the windows that have no winner yet
  const taps = Array.from({ length: ops.sizeOf(s.kernel) }, (_, index) => {
    const at = placesOf(index, s, y.shape);
    const isBelow = within(() => ops.sign(ops.subtract(y, ops.stridedSlice(x, at))));
    const still = ops.multiply(left, isBelow);
    const won = ops.subtract(left, still);
    left = still;
    return () => ops.stridedSliceGradient(x.shape, won, at);
  });
  return ops.slice(sumOf(taps), edges(s), [s.n, s.d, s.h, s.w, s.c]);
};

export const resamplingKernels = {
  LvnetResize: resizeForward,
  LvnetResizeGradient: resizeGradient,
  LvnetUpsample: upsample,
  LvnetUpsampleOnto: upsampleOnto,
  LvnetUpsampleGradient: upsampleGradient,
  LvnetAveragePool3d: averagePool,
  LvnetAveragePool3dGradient: averagePoolGradient,
  LvnetMaxPool: maxPool,
  LvnetMaxPoolGradient: maxPoolGradient,
};
