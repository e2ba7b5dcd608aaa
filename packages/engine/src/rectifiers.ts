import { defineOperation, present, together } from './operation.js';
import { mismatch } from './shapes.js';
import { tf } from './tfjs.js';

const runReluGradient = defineOperation<Record<string, never>>({
  name: 'LvnetReluGradient',
  run: (call) => {
    const y = call.floats('y');
    const dx = call.room(y.length);
    call.backend.kernels.reluBackward(y, call.floats('dy'), dx);
    return [{ shape: call.shape('y'), values: dx }];
  },
});

const runRelu = defineOperation<Record<string, never>>({
  name: 'LvnetRelu',
  keeps: 'y',
  run: (call) => {
    const x = call.floats('x');
    const y = call.room(x.length);
    call.backend.kernels.reluForward(x, y);
    return [{ shape: call.shape('x'), values: y }];
  },
  gradient: (dy, { y }) => ({ x: () => runReluGradient(present({ y, dy }), {})[0] as tf.Tensor }),
});

/** max(0, x); NaN stays. Its gradient needs the result, which the next operation keeps anyway. */
export const relu = (x: tf.Tensor): tf.Tensor => runRelu({ x }, {})[0] as tf.Tensor;

const runPreluGradient = defineOperation<Record<string, never>>({
  name: 'LvnetPreluGradient',
  run: (call) => {
    const x = call.floats('x');
    const dx = call.room(x.length);
    const slope = call.floats('slope')[0] ?? Number.NaN;
    const dslope = call.backend.kernels.preluBackward(x, slope, call.floats('dy'), dx);
    return [
      { shape: call.shape('x'), values: dx },
      { shape: [1], values: Float32Array.of(dslope) },
    ];
  },
});

const runPrelu = defineOperation<Record<string, never>>({
  name: 'LvnetPrelu',
  saves: ['x', 'slope'],
  run: (call) => {
    const x = call.floats('x');
    const y = call.room(x.length);
    call.backend.kernels.preluForward(x, call.floats('slope')[0] ?? Number.NaN, y);
    return [{ shape: call.shape('x'), values: y }];
  },
  gradient: (dy, { x, slope }) => together(['x', 'slope'], runPreluGradient(present({ x, slope, dy }), {})),
});

/**
 * x where it is positive, slope times x elsewhere.
 *
 * @param slope [1]: one for all channels
 * @throws Failure('SHAPE_MISMATCH')
 */
export function prelu(x: tf.Tensor, slope: tf.Tensor): tf.Tensor {
  if (slope.size !== 1)
    throw mismatch(`[${slope.shape.join(', ')}] is not one slope.`, { shape: slope.shape });
  return runPrelu({ x, slope }, {})[0] as tf.Tensor;
}
