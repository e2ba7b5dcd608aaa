import type { Activation, ConvShape, DepthwiseShape } from '@lvnet/kernels';
import { defineOperation, present, together } from './operation.js';
import { checkPerChannel, mismatch, volumeOf } from './shapes.js';
import { tf } from './tfjs.js';

/** The edge of a kernel [.., .., k, k, k] with k odd; 0 for anything else. */
function edgeOf(w: readonly number[]): number {
  const [, , k = 0, rows, columns] = w;
  return w.length === 5 && rows === k && columns === k && k % 2 === 1 ? k : 0;
}

function convShape(x: readonly number[], w: readonly number[]): ConvShape {
  const { c, ...volume } = volumeOf(x);
  const [co = 0, ci = 0] = w;
  const k = edgeOf(w);
  if (k > 0 && ci === c) return { ...volume, ci, co, k };
  const message = `weights [${w.join(', ')}] do not fit ${String(c)} channels (or their kernel is even or no cube).`;
  throw mismatch(message, { input: x, weights: w });
}

/** The kernels are made for edges up to this. */
const largestDepthwise = 7;

export function depthwiseShape(x: readonly number[], w: readonly number[]): DepthwiseShape {
  const { c, ...volume } = volumeOf(x);
  const k = edgeOf(w);
  if (k > 0 && k <= largestDepthwise && w[0] === c && w[1] === 1) return { ...volume, c, k };
  const message = `depthwise weights [${w.join(', ')}] do not fit ${String(c)} channels (or their kernel is none of 1, 3, 5, 7).`;
  throw mismatch(message, { input: x, weights: w });
}

/** Voxels of [n, d, h, w, c]. */
export const voxelsOf = (x?: { shape: number[] }): number =>
  tf.util.sizeFromShape(x?.shape.slice(0, 4) ?? []);

interface InputShape {
  shape: number[];
}

const runConvInput = defineOperation<InputShape>({
  name: 'LvnetConv3dInputGradient',
  run: (call) => {
    const { shape } = call.attributes;
    const dx = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.conv3dBackwardInput(
      convShape(shape, call.shape('w')),
      call.floats('dy'),
      call.floats('w'),
      dx,
    );
    return [{ shape, values: dx }];
  },
});

/** Of the weights `shape`, then of the bias (zero without one). */
const runConvFilter = defineOperation<{ shape: number[]; biased: boolean }>({
  name: 'LvnetConv3dFilterGradient',
  run: (call) => {
    const { shape, biased } = call.attributes;
    const s = convShape(call.shape('x'), shape);
    const dw = call.room(tf.util.sizeFromShape(shape));
    const db = new Float32Array(s.co);
    call.backend.kernels.conv3dBackwardFilter(s, call.floats('x'), call.floats('dy'), dw, biased ? db : null);
    return [
      { shape, values: dw },
      { shape: [s.co], values: db },
    ];
  },
});

const runConv = defineOperation<{ biased: boolean }>({
  name: 'LvnetConv3d',
  saves: ['x', 'w'],
  macs: ({ x, w }) => voxelsOf(x) * tf.util.sizeFromShape(w?.shape ?? []),
  run: (call) => {
    const s = convShape(call.shape('x'), call.shape('w'));
    const shape = [s.n, s.d, s.h, s.w, s.co];
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.conv3dForward(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, { x, w }, { biased }) => ({
    x: () => runConvInput(present({ dy, w }), { shape: x?.shape ?? [] })[0] as tf.Tensor,
    ...together(['w', 'b'], runConvFilter(present({ x, dy }), { shape: w?.shape ?? [], biased })),
  }),
});

/**
 * Convolution, stride 1, zero padding that keeps the size.
 *
 * @param x [n, d, h, w, ci]
 * @param w [co, ci, k, k, k], k odd
 * @param b [co]
 * @returns [n, d, h, w, co]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function conv3d(x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor | null): tf.Tensor {
  checkPerChannel('bias', b, convShape(x.shape, w.shape).co);
  return runConv(present({ x, w, b }), { biased: b != null })[0] as tf.Tensor;
}

const runConvInfer = defineOperation<{ activation: Activation }>({
  name: 'LvnetConv3dInfer',
  macs: ({ x, w }) => voxelsOf(x) * tf.util.sizeFromShape(w?.shape ?? []),
  run: (call) => {
    const s = convShape(call.shape('x'), call.shape('w'));
    const shape = [s.n, s.d, s.h, s.w, s.co];
    const y = call.room(tf.util.sizeFromShape(shape));
    const [x, w, b] = [call.floats('x'), call.floats('w'), call.maybe('b')];
    call.backend.kernels.conv3dInfer(s, x, w, b, call.attributes.activation, y);
    return [{ shape, values: y }];
  },
});

/** The same with an activation after it; for inference, not differentiable. @throws Failure('SHAPE_MISMATCH') */
export function conv3dInfer(
  x: tf.Tensor,
  w: tf.Tensor,
  b: tf.Tensor | null,
  activation: Activation,
): tf.Tensor {
  checkPerChannel('bias', b, convShape(x.shape, w.shape).co);
  return runConvInfer(present({ x, w, b }), { activation })[0] as tf.Tensor;
}

const runDepthwiseInput = defineOperation<Record<string, never>>({
  name: 'LvnetDepthwise3dInputGradient',
  run: (call) => {
    const shape = call.shape('dy');
    const dx = call.room(tf.util.sizeFromShape(shape));
    const s = depthwiseShape(shape, call.shape('w'));
    call.backend.kernels.depthwise3dBackwardInput(s, call.floats('dy'), call.floats('w'), dx);
    return [{ shape, values: dx }];
  },
});

/** Of the weights `shape`, then of the bias (zero without one). */
const runDepthwiseFilter = defineOperation<{ shape: number[]; biased: boolean }>({
  name: 'LvnetDepthwise3dFilterGradient',
  run: (call) => {
    const { shape, biased } = call.attributes;
    const s = depthwiseShape(call.shape('x'), shape);
    const [x, dy] = [call.floats('x'), call.floats('dy')];
    const dw = call.room(tf.util.sizeFromShape(shape));
    const db = new Float32Array(s.c);
    call.backend.kernels.depthwise3dBackwardFilter(s, x, dy, dw, biased ? db : null);
    return [
      { shape, values: dw },
      { shape: [s.c], values: db },
    ];
  },
});

const runDepthwise = defineOperation<{ biased: boolean }>({
  name: 'LvnetDepthwise3d',
  saves: ['x', 'w'],
  macs: ({ x, w }) => voxelsOf(x) * tf.util.sizeFromShape(w?.shape ?? []),
  run: (call) => {
    const shape = call.shape('x');
    const s = depthwiseShape(shape, call.shape('w'));
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.depthwise3dForward(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, { x, w }, { biased }) => ({
    x: () => runDepthwiseInput(present({ dy, w }), {})[0] as tf.Tensor,
    ...together(['w', 'b'], runDepthwiseFilter(present({ x, dy }), { shape: w?.shape ?? [], biased })),
  }),
});

/**
 * Depthwise convolution: every channel with a kernel of its own.
 *
 * @param x [n, d, h, w, c]
 * @param w [c, 1, k, k, k], k one of 1, 3, 5, 7
 * @param b [c]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function depthwise3d(x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor | null): tf.Tensor {
  checkPerChannel('bias', b, depthwiseShape(x.shape, w.shape).c);
  return runDepthwise(present({ x, w, b }), { biased: b != null })[0] as tf.Tensor;
}
