import { defineOperation, type OperationSpec } from './operation.js';
import { mismatch, volumeOf } from './shapes.js';
import { tf } from './tfjs.js';

const runPoolGradient = defineOperation<{ shape: number[] }>({
  name: 'LvnetAveragePool3dGradient',
  run: (call) => {
    const { shape } = call.attributes;
    const dx = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.averagePoolBackward(volumeOf(shape), call.floats('dy'), dx);
    return [{ shape, values: dx }];
  },
});

const runPool = defineOperation<{ shape: number[] }>({
  name: 'LvnetAveragePool3d',
  run: (call) => {
    const s = volumeOf(call.shape('x'));
    const y = call.room((s.n * s.d * s.h * s.w * s.c) / 8);
    call.backend.kernels.averagePoolForward(s, call.floats('x'), y);
    return [{ shape: [s.n, s.d / 2, s.h / 2, s.w / 2, s.c], values: y }];
  },
  gradient: (dy, _saved, attributes) => ({ x: () => runPoolGradient({ dy }, attributes)[0] as tf.Tensor }),
});

/** Means over 2x2x2 voxels, stride 2; d, h, w must be even. @throws Failure('SHAPE_MISMATCH') */
export function averagePool3d(x: tf.Tensor): tf.Tensor {
  const { d, h, w } = volumeOf(x.shape);
  if (d % 2 !== 0 || h % 2 !== 0 || w % 2 !== 0) {
    throw mismatch(`${[d, h, w].join('x')} voxels cannot be halved.`, { shape: x.shape });
  }
  return runPool({ x }, { shape: x.shape })[0] as tf.Tensor;
}

interface UpsampleAttributes {
  shape: number[];
  factor: number;
}

const runUpsampleGradient = defineOperation<UpsampleAttributes>({
  name: 'LvnetUpsampleGradient',
  run: (call) => {
    const { shape, factor } = call.attributes;
    const dx = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.upsampleBackward(volumeOf(shape), factor, call.floats('dy'), dx);
    return [{ shape, values: dx }];
  },
});

const upsampleSpec = (isAdded: boolean): OperationSpec<UpsampleAttributes> => ({
  name: isAdded ? 'LvnetUpsampleOnto' : 'LvnetUpsample',
  run: (call) => {
    const { factor } = call.attributes;
    const s = volumeOf(call.shape('x'));
    const shape = [s.n, s.d * factor, s.h * factor, s.w * factor, s.c];
    const y = call.room(tf.util.sizeFromShape(shape));
    call.backend.kernels.upsampleForward(s, factor, call.floats('x'), call.maybe('onto'), y);
    return [{ shape, values: y }];
  },
  gradient: (dy, _saved, attributes) => ({
    x: () => runUpsampleGradient({ dy }, attributes)[0] as tf.Tensor,
    ...(isAdded ? { onto: () => tf.clone(dy) } : {}),
  }),
});

const runUpsample = defineOperation(upsampleSpec(false));
const runUpsampleOnto = defineOperation(upsampleSpec(true));

/**
 * Trilinear up-sampling of d, h and w by a whole factor (align_corners false).
 *
 * @param onto what the result is added to, of its shape
 * @returns x itself for factor 1, if nothing is added
 * @throws Failure('SHAPE_MISMATCH')
 */
export function upsampleTrilinear(x: tf.Tensor, factor: number, onto?: tf.Tensor): tf.Tensor {
  volumeOf(x.shape);
  if (!Number.isInteger(factor) || factor < 1) {
    const message = `[${x.shape.join(', ')}] cannot be up-sampled by ${String(factor)}: whole factors only.`;
    throw mismatch(message, { shape: x.shape, factor });
  }
  const attributes = { shape: x.shape, factor };
  if (onto === undefined) return factor === 1 ? x : (runUpsample({ x }, attributes)[0] as tf.Tensor);
  const raised = x.shape.map((size, axis) => (axis > 0 && axis < 4 ? size * factor : size));
  if (onto.shape.join() !== raised.join()) {
    const message = `[${x.shape.join(', ')}] up-sampled by ${String(factor)} cannot be added to [${onto.shape.join(', ')}].`;
    throw mismatch(message, { shape: x.shape, factor, onto: onto.shape });
  }
  return runUpsampleOnto({ x, onto }, attributes)[0] as tf.Tensor;
}
