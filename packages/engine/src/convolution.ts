import { Failure } from '@lvnet/core';
import type { ConvShape, DepthwiseShape } from '@lvnet/kernels';
import { defineOperation, evaluate, lazily, present, type KernelCall, type Output } from './operation.js';
import { tf } from './tfjs.js';

/** Activations [n, d, h, w, c]; anything else is refused. */
export function volumeOf(shape: readonly number[]): {
  n: number;
  d: number;
  h: number;
  w: number;
  c: number;
} {
  const [n = 0, d = 0, h = 0, w = 0, c = 0] = shape;
  if (shape.length === 5) return { n, d, h, w, c };
  const message = `a tensor [n, d, h, w, channels] is needed, not [${shape.join(', ')}]`;
  throw new Failure('SHAPE_MISMATCH', { shape }, { message });
}

function convShape(x: readonly number[], w: readonly number[]): ConvShape {
  const { c, ...volume } = volumeOf(x);
  const [co = 0, ci = 0, k = 0] = w;
  if (w.length === 5 && ci === c && k % 2 === 1) return { ...volume, ci, co, k };
  const message = `weights [${w.join(', ')}] do not fit ${String(c)} channels (or their kernel is even).`;
  throw new Failure('SHAPE_MISMATCH', { input: x, weights: w }, { message });
}

function depthwiseShape(x: readonly number[], w: readonly number[]): DepthwiseShape {
  const { c, ...volume } = volumeOf(x);
  const [channels = 0, one = 0, k = 0] = w;
  if (w.length === 5 && channels === c && one === 1 && k % 2 === 1) return { ...volume, c, k };
  const message = `depthwise weights [${w.join(', ')}] do not fit ${String(c)} channels.`;
  throw new Failure('SHAPE_MISMATCH', { input: x, weights: w }, { message });
}

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

const convFilter = (call: KernelCall<{ shape: number[]; biased: boolean }>): Output[] => {
  const { shape, biased } = call.attributes;
  const s = convShape(call.shape('x'), shape);
  const dw = call.room(tf.util.sizeFromShape(shape));
  const db = new Float32Array(s.co);
  call.backend.kernels.conv3dBackwardFilter(s, call.floats('x'), call.floats('dy'), dw, biased ? db : null);
  return [
    { shape, values: dw },
    { shape: [s.co], values: db },
  ];
};

const runConv = defineOperation<{ biased: boolean }>({
  name: 'LvnetConv3d',
  saves: ['x', 'w'],
  run: (call) => {
    const s = convShape(call.shape('x'), call.shape('w'));
    const shape = [s.n, s.d, s.h, s.w, s.co];
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.conv3dForward(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, { x, w }, { biased }) => {
    const filter = () => evaluate(convFilter, present({ x, dy }), { shape: w?.shape ?? [], biased });
    return {
      x: () => runConvInput(present({ dy, w }), { shape: x?.shape ?? [] })[0] as tf.Tensor,
      ...lazily(['w', 'b'], filter),
    };
  },
});

/**
 * Convolution, stride 1, zero padding that keeps the size.
 *
 * @param x [n, d, h, w, ci]
 * @param w [co, ci, k, k, k], k odd
 * @param b [co]
 * @returns [n, d, h, w, co]
 */
export function conv3d(x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor | null): tf.Tensor {
  return runConv(present({ x, w, b }), { biased: b != null })[0] as tf.Tensor;
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

const depthwiseFilter = (call: KernelCall<{ shape: number[]; biased: boolean }>): Output[] => {
  const { shape, biased } = call.attributes;
  const s = depthwiseShape(call.shape('x'), shape);
  const dw = call.room(tf.util.sizeFromShape(shape));
  const db = new Float32Array(s.c);
  call.backend.kernels.depthwise3dBackwardFilter(
    s,
    call.floats('x'),
    call.floats('dy'),
    dw,
    biased ? db : null,
  );
  return [
    { shape, values: dw },
    { shape: [s.c], values: db },
  ];
};

const runDepthwise = defineOperation<{ biased: boolean }>({
  name: 'LvnetDepthwise3d',
  saves: ['x', 'w'],
  run: (call) => {
    const shape = call.shape('x');
    const s = depthwiseShape(shape, call.shape('w'));
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.depthwise3dForward(s, call.floats('x'), call.floats('w'), call.maybe('b'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, { x, w }, { biased }) => {
    const filter = () => evaluate(depthwiseFilter, present({ x, dy }), { shape: w?.shape ?? [], biased });
    return {
      x: () => runDepthwiseInput(present({ dy, w }), {})[0] as tf.Tensor,
      ...lazily(['w', 'b'], filter),
    };
  },
});

/**
 * Depthwise convolution: every channel with a kernel of its own.
 *
 * @param x [n, d, h, w, c]
 * @param w [c, 1, k, k, k], k odd
 * @param b [c]
 */
export function depthwise3d(x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor | null): tf.Tensor {
  return runDepthwise(present({ x, w, b }), { biased: b != null })[0] as tf.Tensor;
}
