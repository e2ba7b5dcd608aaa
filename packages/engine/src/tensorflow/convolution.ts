import { outputSize, type Activation, type DenseShape, type Triple } from '@lvnet/kernels';
import type { tf } from '../tfjs.js';
import { activate, asRows, sumOf, sumRows, within, type Inputs, type Kernel } from './kernel.js';
import * as ops from './ops.js';

const ones: Triple = [1, 1, 1];

/** x [n, d, h, w, ci] by w [co, ci]. */
export const pointwise = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
  within(() => {
    const y = ops.matMul(asRows(x), w, { transposeB: true });
    return ops.reshape(y, [...x.shape.slice(0, -1), w.shape[0]]);
  });
export const pointwiseInput = (dy: tf.Tensor, w: tf.Tensor): tf.Tensor =>
  within(() => ops.reshape(ops.matMul(asRows(dy), w), [...dy.shape.slice(0, -1), w.shape[1] ?? 0]));
/** @returns [co, ci] */
export const pointwiseFilter = (x: tf.Tensor, dy: tf.Tensor): tf.Tensor =>
  within(() => ops.matMul(asRows(dy), asRows(x), { transposeA: true }));

/** Weights [co, ci, kd, kh, kw] as TensorFlow has them, and back. */
const turned = (w: tf.Tensor): tf.Tensor => ops.transpose(w, [2, 3, 4, 1, 0]);
const turnedShape = ({ kernel, ci, co }: DenseShape): number[] => [...kernel, ci, co];
const turnedBack = (w: tf.Tensor): tf.Tensor => ops.transpose(w, [4, 3, 0, 1, 2]);

const isPointwise = (s: DenseShape): boolean =>
  [...s.kernel, ...s.stride].every((size) => size === 1) && s.padding.every((size) => size === 0);
const isDilated = (s: DenseShape): boolean => s.dilation.some((step) => step > 1);
const inputShape = ({ n, d, h, w, ci }: DenseShape): number[] => [n, d, h, w, ci];
const outputShape = (s: DenseShape): number[] => [s.n, ...outputSize(s), s.co];
const withAxes = (edges: Triple): number[] => [0, ...edges, 0];
const paddedShape = (s: DenseShape): number[] =>
  inputShape(s).map((size, axis) => size + 2 * (withAxes(s.padding)[axis] ?? 0));
const isPadded = ({ padding }: DenseShape): boolean => padding.some((size) => size > 0);
const padded = (x: tf.Tensor, s: DenseShape): tf.Tensor =>
  isPadded(s) ? ops.pad(x, withAxes(s.padding), withAxes(s.padding)) : x;
const cropped = (x: tf.Tensor, s: DenseShape): tf.Tensor =>
  isPadded(s) ? ops.slice(x, withAxes(s.padding), inputShape(s)) : x;

/** TensorFlow pads by itself where that keeps the size. */
const keepsSize = (s: DenseShape): boolean =>
  s.stride.every((step) => step === 1) && s.kernel.every((k, axis) => 2 * (s.padding[axis] ?? 0) === k - 1);

/** Any convolution; x as it is, w [co, ci, kd, kh, kw]. */
function convolve(s: DenseShape, x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  if (isPointwise(s)) return pointwise(x, matrixOf(w, s));
  if (isDilated(s)) return dilated(s, x, w);
  if (keepsSize(s)) return ops.conv3d(x, turned(w), s.stride, 'SAME');
  return ops.conv3d(padded(x, s), turned(w), s.stride, 'VALID');
}

function convolveInput(s: DenseShape, dy: tf.Tensor, w: tf.Tensor): tf.Tensor {
  if (isPointwise(s)) return pointwiseInput(dy, matrixOf(w, s));
  if (isDilated(s)) return dilatedInput(s, dy, w);
  if (keepsSize(s)) return ops.conv3dInput(inputShape(s), turned(w), dy, s.stride, 'SAME');
  return cropped(ops.conv3dInput(paddedShape(s), turned(w), dy, s.stride, 'VALID'), s);
}

function convolveFilter(s: DenseShape, x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  if (isPointwise(s)) return ops.reshape(pointwiseFilter(x, dy), [s.co, s.ci, 1, 1, 1]);
  if (isDilated(s)) return dilatedFilter(s, x, dy);
  const shape = turnedShape(s);
  if (keepsSize(s)) return turnedBack(ops.conv3dFilter(x, shape, dy, s.stride, 'SAME'));
  return turnedBack(ops.conv3dFilter(padded(x, s), shape, dy, s.stride, 'VALID'));
}

const matrixOf = (w: tf.Tensor, { co, ci }: DenseShape): tf.Tensor => ops.reshape(w, [co, ci]);

/** TensorFlow's processor kernels know no dilation: then every tap of the kernel is a pointwise convolution. */
function tapsOf(s: DenseShape): { index: number; from: number[] }[] {
  if (s.stride.some((step) => step > 1)) throw new Error('strides and dilations do not go together here');
  const [kd, kh, kw] = s.kernel;
  return Array.from({ length: kd * kh * kw }, (_, index) => {
    const tap = [Math.floor(index / (kh * kw)), Math.floor(index / kw) % kh, index % kw];
    return {
      index,
      from: withAxes(tap.map((at, axis) => at * (s.dilation[axis] ?? 1)) as unknown as Triple),
    };
  });
}

/** [taps, co, ci] */
const tapMatrices = (w: tf.Tensor, s: DenseShape): tf.Tensor =>
  ops.transpose(ops.reshape(w, [s.co, s.ci, ops.sizeOf(s.kernel)]), [2, 0, 1]);
const tapMatrix = (all: tf.Tensor, index: number, { co, ci }: DenseShape): tf.Tensor =>
  ops.reshape(ops.slice(all, [index, 0, 0], [1, co, ci]), [co, ci]);
/** The part of the padded input that a tap meets. */
const met = (s: DenseShape): number[] => [...outputShape(s).slice(0, 4), s.ci];

function dilated(s: DenseShape, x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const [wide, matrices] = [padded(x, s), tapMatrices(w, s)];
  const term = ({ index, from }: { index: number; from: number[] }) =>
    pointwise(ops.slice(wide, from, met(s)), tapMatrix(matrices, index, s));
  return sumOf(tapsOf(s).map((tap) => () => term(tap)));
}

function dilatedInput(s: DenseShape, dy: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const [matrices, wide, part] = [tapMatrices(w, s), paddedShape(s), met(s)];
  const term = ({ index, from }: { index: number; from: number[] }) => {
    const dx = pointwiseInput(dy, tapMatrix(matrices, index, s));
    const behind = wide.map((size, axis) => size - (from[axis] ?? 0) - (part[axis] ?? 0));
    return ops.pad(dx, from, behind);
  };
  return cropped(sumOf(tapsOf(s).map((tap) => () => term(tap))), s);
}

function dilatedFilter(s: DenseShape, x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  const wide = padded(x, s);
  const taps = tapsOf(s).map(({ from }) =>
    within(() => ops.reshape(pointwiseFilter(ops.slice(wide, from, met(s)), dy), [1, s.co, s.ci])),
  );
  const all = ops.transpose(ops.concat(taps, 0), [1, 2, 0]);
  return ops.reshape(all, [s.co, s.ci, ...s.kernel]);
}

const withBias = (y: tf.Tensor, inputs: Inputs): tf.Tensor => {
  const bias = inputs.maybe('b');
  return bias === null ? y : ops.addBias(y, bias);
};

/** The shape of LV-Net's own convolution: stride 1, size kept. */
function keeping(x: readonly number[], w: readonly number[]): DenseShape {
  const [n = 0, d = 0, h = 0, wide = 0] = x;
  const [co = 0, ci = 0, k = 0] = w;
  const half = (k - 1) / 2;
  return {
    ...{ n, d, h, w: wide, ci, co, kernel: [k, k, k], stride: ones, padding: [half, half, half] },
    dilation: ones,
  };
}

interface Dense {
  s: DenseShape;
}
type Biased = Dense & { biased: 'dy' | 'x' | null };

const conv: Kernel<unknown> = (inputs) => {
  const [x, w] = [inputs.of('x'), inputs.of('w')];
  return withBias(convolve(keeping(x.shape, w.shape), x, w), inputs);
};
const convInfer: Kernel<{ activation: Activation }> = (inputs, { activation }) =>
  activate(
    within(() => conv(inputs, undefined) as tf.Tensor),
    activation,
  );
const convInput: Kernel<{ shape: number[] }> = (inputs, { shape }) => {
  const w = inputs.of('w');
  return convolveInput(keeping(shape, w.shape), inputs.of('dy'), w);
};
const convFilter: Kernel<{ shape: number[]; biased: boolean }> = (inputs, { shape, biased }) => {
  const [x, dy] = [inputs.of('x'), inputs.of('dy')];
  const dw = convolveFilter(keeping(x.shape, shape), x, dy);
  return [dw, biased ? sumRows(dy) : ops.zeros([shape[0] ?? 0])];
};

const forward: Kernel<Dense> = (inputs, { s }) =>
  withBias(convolve(s, inputs.of('x'), inputs.of('w')), inputs);
const infer: Kernel<Dense & { rectified: boolean }> = (inputs, { s, rectified }) => {
  const sums = convolve(s, inputs.of('x'), inputs.of('w'));
  const y = ops.add(ops.multiply(sums, inputs.of('scale')), inputs.of('shift'));
  return rectified ? ops.relu(y) : y;
};
const input: Kernel<Dense> = (inputs, { s }) => convolveInput(s, inputs.of('dy'), inputs.of('w'));
const filter: Kernel<Biased> = (inputs, { s, biased }) => [
  convolveFilter(s, inputs.of('x'), inputs.of('dy')),
  biased === null ? ops.zeros([s.co]) : sumRows(inputs.of(biased)),
];
const plain: Kernel<Dense> = (inputs, { s }) => convolve(s, inputs.of('dy'), inputs.of('w'));
const transposed: Kernel<Dense> = (inputs, { s }) =>
  withBias(convolveInput(s, inputs.of('x'), inputs.of('w')), inputs);

export const convolutionKernels = {
  LvnetConv3d: conv,
  LvnetConv3dInfer: convInfer,
  LvnetConv3dInputGradient: convInput,
  LvnetConv3dFilterGradient: convFilter,
  LvnetConvolution: forward,
  LvnetConvolutionInfer: infer,
  LvnetConvolutionInputGradient: input,
  LvnetConvolutionFilterGradient: filter,
  LvnetTransposedConvolution: transposed,
  LvnetTransposedInputGradient: plain,
};
