import { outputSize, type MaxPoolShape, type ResizeRule, type Triple } from '@lvnet/kernels';
import { defineOperation } from './operation.js';
import { mismatch, volumeOf } from './shapes.js';
import { tf } from './tfjs.js';

interface PoolAttributes {
  s: MaxPoolShape;
  /** Places of the winners in their windows, from forward to backward; no tensor, nothing differentiates them. */
  winners: Uint8Array;
}

const poolInput = ({ n, d, h, w, c }: MaxPoolShape) => [n, d, h, w, c];
const poolOutput = (s: MaxPoolShape) => [s.n, ...outputSize({ ...s, dilation: [1, 1, 1] }), s.c];

const runPoolGradient = defineOperation<PoolAttributes>({
  name: 'LvnetMaxPoolGradient',
  run: (call) => {
    const { s, winners } = call.attributes;
    const dx = call.room(tf.util.sizeFromShape(poolInput(s)));
    call.backend.kernels.maxPoolBackward(s, call.floats('dy'), winners, dx);
    return [{ shape: poolInput(s), values: dx }];
  },
});

const runPool = defineOperation<PoolAttributes>({
  name: 'LvnetMaxPool',
  run: (call) => {
    const { s, winners } = call.attributes;
    const y = call.room(winners.length);
    call.backend.kernels.maxPoolForward(s, call.floats('x'), y, winners);
    return [{ shape: poolOutput(s), values: y }];
  },
  gradient: (dy, _saved, attributes) => ({ x: () => runPoolGradient({ dy }, attributes)[0] as tf.Tensor }),
});

/**
 * The largest value of each window, the first of equals; padding never wins.
 *
 * @param x [n, d, h, w, c]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function maxPool(x: tf.Tensor, o: { kernel: Triple; stride: Triple; padding: Triple }): tf.Tensor {
  const s: MaxPoolShape = { ...o, ...volumeOf(x.shape) };
  const shape = poolOutput(s);
  if (shape.some((size) => size < 1)) {
    const message = `${[s.d, s.h, s.w].join('x')} voxels are too few for a window of ${o.kernel.join('x')}.`;
    throw mismatch(message, { shape: x.shape, kernel: o.kernel });
  }
  const winners = new Uint8Array(tf.util.sizeFromShape(shape));
  return runPool({ x }, { s, winners })[0] as tf.Tensor;
}

interface ResizeAttributes {
  shape: readonly number[];
  to: Triple;
  rule: ResizeRule;
}

const resizeShape = ({ shape, to }: ResizeAttributes) => ({ ...volumeOf(shape), to });

const runResizeGradient = defineOperation<ResizeAttributes>({
  name: 'LvnetResizeGradient',
  run: (call) => {
    const { shape, rule } = call.attributes;
    const dx = call.room(tf.util.sizeFromShape([...shape]));
    call.backend.kernels.resizeBackward(resizeShape(call.attributes), rule, call.floats('dy'), dx);
    return [{ shape, values: dx }];
  },
});

const runResize = defineOperation<ResizeAttributes>({
  name: 'LvnetResize',
  run: (call) => {
    const { to, rule } = call.attributes;
    const s = resizeShape(call.attributes);
    const shape = [s.n, ...to, s.c];
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.resizeForward(s, rule, call.floats('x'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, _saved, attributes) => ({ x: () => runResizeGradient({ dy }, attributes)[0] as tf.Tensor }),
});

/**
 * Slices, rows and columns resized to any numbers: to the nearest voxel (floor(o in / out)), or linearly along each
 * axis by half-way pixels (`centres`: align_corners false) or by corners (align_corners true).
 *
 * @param x [n, d, h, w, c]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function resize(x: tf.Tensor, to: Triple, rule: ResizeRule): tf.Tensor {
  volumeOf(x.shape);
  if (!to.every((size) => Number.isInteger(size) && size > 0)) {
    const message = `[${x.shape.join(', ')}] cannot be resized to ${to.join('x')}.`;
    throw mismatch(message, { shape: x.shape, to });
  }
  return runResize({ x }, { shape: x.shape, to, rule })[0] as tf.Tensor;
}
