import { outputSize, type DenseShape, type Triple } from '@lvnet/kernels';
import { defineOperation, present, together } from './operation.js';
import { checkPerChannel, mismatch, volumeOf } from './shapes.js';
import { tf } from './tfjs.js';

/** How a kernel moves along slices, rows and columns. */
export interface ConvolutionMoves {
  stride: Triple;
  padding: Triple;
  dilation: Triple;
}

interface Attributes {
  /** Its n, d, h, w are those of the convolution's input: the output of a transposed one. */
  s: DenseShape;
}

const inputShape = ({ n, d, h, w, ci }: DenseShape) => [n, d, h, w, ci];
const outputShape = (s: DenseShape) => [s.n, ...outputSize(s), s.co];
const weightShape = ({ co, ci, kernel }: DenseShape) => [co, ci, ...kernel];
const { sizeFromShape } = tf.util;
const macsOf = (s: DenseShape): number => sizeFromShape(outputShape(s)) * s.ci * sizeFromShape([...s.kernel]);

const runBackwardInput = defineOperation<Attributes>({
  name: 'LvnetConvolutionInputGradient',
  run: (call) => {
    const { s } = call.attributes;
    const dx = call.room(sizeFromShape(inputShape(s)));
    call.backend.kernels.convolutionBackwardInput(s, call.floats('dy'), call.floats('w'), null, dx);
    return [{ shape: inputShape(s), values: dx }];
  },
});

/** x and dy are those of the plain convolution; the bias belongs to `biased`, whose sums its gradient is. */
const runFilterGradient = defineOperation<Attributes & { biased: 'dy' | 'x' | null }>({
  name: 'LvnetConvolutionFilterGradient',
  run: (call) => {
    const { s, biased } = call.attributes;
    const { kernels } = call.backend;
    const dw = call.room(sizeFromShape(weightShape(s)));
    kernels.convolutionBackwardFilter(s, call.floats('x'), call.floats('dy'), dw);
    const channels = biased === 'x' ? s.ci : s.co;
    const db = new Float32Array(channels);
    if (biased !== null) {
      const values = call.floats(biased);
      kernels.sumRows(values.length / channels, channels, values, db);
    }
    return [
      { shape: weightShape(s), values: dw },
      { shape: [channels], values: db },
    ];
  },
});

const runForward = defineOperation<Attributes & { biased: boolean }>({
  name: 'LvnetConvolution',
  saves: ['x', 'w'],
  macs: (_inputs, { s }) => macsOf(s),
  run: (call) => {
    const { s } = call.attributes;
    const y = call.room(sizeFromShape(outputShape(s)));
    call.backend.kernels.convolutionForward(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape: outputShape(s), values: y }];
  },
  gradient: (dy, { x, w }, { s, biased }) => ({
    x: () => runBackwardInput(present({ dy, w }), { s })[0] as tf.Tensor,
    ...together(['w', 'b'], runFilterGradient(present({ x, dy }), { s, biased: biased ? 'dy' : null })),
  }),
});

const runInfer = defineOperation<Attributes & { rectified: boolean }>({
  name: 'LvnetConvolutionInfer',
  macs: (_inputs, { s }) => macsOf(s),
  run: (call) => {
    const { s, rectified } = call.attributes;
    const y = call.room(sizeFromShape(outputShape(s)));
    const finish = { scale: call.floats('scale'), shift: call.floats('shift'), rectified };
    call.backend.kernels.convolutionInfer(s, call.floats('x'), call.floats('w'), finish, y);
    return [{ shape: outputShape(s), values: y }];
  },
});

/**
 * Convolution with zero padding. An image is a volume of one slice, with kernel, stride and dilation 1 and no
 * padding along the slices.
 *
 * @param x [n, d, h, w, ci]
 * @param w [co, ci, kd, kh, kw]
 * @param b [co]
 * @returns [n, d', h', w', co]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function convolve(
  x: tf.Tensor,
  w: tf.Tensor,
  b: tf.Tensor | null,
  moves: ConvolutionMoves,
): tf.Tensor {
  const s = convolutionOf(x, w, b, moves);
  return runForward(present({ x, w, b }), { s, biased: b !== null })[0] as tf.Tensor;
}

/**
 * A convolution without bias or gradient and what follows it in a prediction: times scale plus shift by channel, then
 * the rectifier.
 *
 * @param scale [co]
 * @param shift [co]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function convolveInfer(
  x: tf.Tensor,
  w: tf.Tensor,
  finish: { scale: tf.Tensor; shift: tf.Tensor; rectified: boolean },
  moves: ConvolutionMoves,
): tf.Tensor {
  const { scale, shift, rectified } = finish;
  const s = convolutionOf(x, w, null, moves);
  checkPerChannel('scale', scale, s.co);
  checkPerChannel('shift', shift, s.co);
  return runInfer({ x, w, scale, shift }, { s, rectified })[0] as tf.Tensor;
}

/** @throws Failure('SHAPE_MISMATCH') */
function convolutionOf(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | null, moves: ConvolutionMoves): DenseShape {
  const { c, ...volume } = volumeOf(x.shape);
  const [co = 0, ci = 0, ...kernel] = w.shape;
  if (kernel.length !== 3 || ci !== c) throw unfitting(x, w, c);
  const s: DenseShape = { ...volume, ci, co, kernel: kernel as unknown as Triple, ...moves };
  if (outputSize(s).some((size) => size < 1)) {
    const message = `${[s.d, s.h, s.w].join('x')} voxels are too few for a kernel of ${kernel.join('x')}.`;
    throw mismatch(message, { input: x.shape, weights: w.shape });
  }
  checkPerChannel('bias', b, co);
  return s;
}

function unfitting(x: tf.Tensor, w: tf.Tensor, channels: number) {
  const message = `weights [${w.shape.join(', ')}] do not fit ${String(channels)} channels.`;
  return mismatch(message, { input: x.shape, weights: w.shape });
}

const runPlain = defineOperation<Attributes>({
  name: 'LvnetTransposedInputGradient',
  run: (call) => {
    const { s } = call.attributes;
    const dx = call.room(sizeFromShape(outputShape(s)));
    call.backend.kernels.convolutionForward(s, call.floats('dy'), call.floats('w'), null, dx);
    return [{ shape: outputShape(s), values: dx }];
  },
});

const runTransposed = defineOperation<Attributes & { biased: boolean }>({
  name: 'LvnetTransposedConvolution',
  saves: ['x', 'w'],
  macs: (_inputs, { s }) => macsOf(s),
  run: (call) => {
    const { s } = call.attributes;
    const y = call.room(sizeFromShape(inputShape(s)));
    call.backend.kernels.convolutionBackwardInput(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape: inputShape(s), values: y }];
  },
  gradient: (dy, { x, w }, { s, biased }) => ({
    x: () => runPlain(present({ dy, w }), { s })[0] as tf.Tensor,
    ...together(['w', 'b'], runFilterGradient(present({ x: dy, dy: x }), { s, biased: biased ? 'x' : null })),
  }),
});

/**
 * Transposed convolution: the input gradient of the convolution with the same weights.
 *
 * @param x [n, d, h, w, ci]
 * @param w [ci, co, kd, kh, kw]
 * @param b [co]
 * @param o.outputPadding voxels more at the far end, less than the stride
 * @returns [n, (d - 1) stride - 2 padding + kd + outputPadding, ..., co]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function transposedConvolve(
  x: tf.Tensor,
  w: tf.Tensor,
  b: tf.Tensor | null,
  o: { stride: Triple; padding: Triple; outputPadding: Triple },
): tf.Tensor {
  const { n, c, ...size } = volumeOf(x.shape);
  const [ci = 0, co = 0, ...kernel] = w.shape;
  if (kernel.length !== 3 || ci !== c) throw unfitting(x, w, c);
  const { stride, padding, outputPadding } = o;
  if (outputPadding.some((more, axis) => more >= (stride[axis] ?? 0))) {
    throw mismatch(`output padding ${outputPadding.join('x')} is not below the stride.`, { outputPadding });
  }
  checkPerChannel('bias', b, co);
  const [d = 0, h = 0, wide = 0] = [size.d, size.h, size.w].map(
    (extent, axis) =>
      (extent - 1) * (stride[axis] ?? 0) -
      2 * (padding[axis] ?? 0) +
      (kernel[axis] ?? 0) +
      (outputPadding[axis] ?? 0),
  );
  const s: DenseShape = {
    ...{ n, d, h, w: wide, ci: co, co: ci },
    ...{ kernel: kernel as unknown as Triple, stride, padding, dilation: [1, 1, 1] as const },
  };
  return runTransposed(present({ x, w, b }), { s, biased: b !== null })[0] as tf.Tensor;
}
