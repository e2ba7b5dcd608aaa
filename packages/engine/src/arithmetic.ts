import { defineOperation } from './operation.js';
import { mismatch } from './shapes.js';
import { tf } from './tfjs.js';

const runAdd = defineOperation<Record<string, never>>({
  name: 'LvnetAdd',
  run: (call) => {
    const [a, b] = [call.floats('a'), call.floats('b')];
    const y = call.room(a.length);
    call.backend.kernels.add(a, b, y);
    return [{ shape: call.shape('a'), values: y }];
  },
  gradient: (dy) => ({ a: () => tf.clone(dy), b: () => tf.clone(dy) }),
});

/** Sum of two tensors of the same shape. @throws Failure('SHAPE_MISMATCH') */
export function addTensors(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.shape.join() !== b.shape.join()) {
    const message = `[${a.shape.join(', ')}] and [${b.shape.join(', ')}] cannot be added.`;
    throw mismatch(message, { a: a.shape, b: b.shape });
  }
  return runAdd({ a, b }, {})[0] as tf.Tensor;
}

const nameOf = (i: number): string => `s${String(i)}`;

const runWeightedSum = defineOperation<{ weights: readonly number[] }>({
  name: 'LvnetWeightedSum',
  run: (call) => {
    const total = call.attributes.weights.reduce(
      (sum, weight, i) => sum + weight * (call.floats(nameOf(i))[0] ?? Number.NaN),
      0,
    );
    return [{ shape: [], values: Float32Array.of(total) }];
  },
  gradient: (dy, _saved, { weights }) => {
    const value = dy.dataSync()[0] ?? Number.NaN;
    return Object.fromEntries(weights.map((weight, i) => [nameOf(i), () => tf.scalar(value * weight)]));
  },
});

/** Sum of scalars, each times its weight, in order. @throws Failure('SHAPE_MISMATCH') */
export function weightedSum(scalars: readonly tf.Tensor[], weights: readonly number[]): tf.Scalar {
  if (scalars.length !== weights.length) {
    const message = `${String(scalars.length)} scalars and ${String(weights.length)} weights do not go together.`;
    throw mismatch(message, { scalars: scalars.length, weights: weights.length });
  }
  for (const { shape } of scalars)
    if (shape.length > 0) throw mismatch(`[${shape.join(', ')}] is no scalar.`, { shape });
  const inputs = Object.fromEntries(scalars.map((scalar, i) => [nameOf(i), scalar]));
  return runWeightedSum(inputs, { weights })[0] as tf.Scalar;
}

interface EntropyAttributes {
  /** Of the logits. */
  shape: readonly number[];
  labels: Int32Array;
  /** Gradient of the mean, made by forward and used up by backward. */
  gradient: { values: Float32Array | null };
}

const runEntropyGradient = defineOperation<EntropyAttributes>({
  name: 'LvnetCrossEntropyGradient',
  run: (call) => {
    const { gradient } = call.attributes;
    const values = gradient.values;
    if (values === null) throw new Error('the gradient of a cross entropy is asked for once');
    gradient.values = null;
    const factor = call.floats('dy')[0] ?? Number.NaN;
    if (factor !== 1) call.backend.kernels.scaleInto(values, factor);
    return [{ shape: call.attributes.shape, values }];
  },
});

const runEntropy = defineOperation<EntropyAttributes>({
  name: 'LvnetCrossEntropy',
  run: (call) => {
    const { shape } = call.attributes;
    const classes = shape.at(-1) ?? 0;
    const logits = call.floats('logits');
    const rows = logits.length / classes;
    const values = call.room(logits.length);
    const { labels, gradient } = call.attributes;
    const loss = call.backend.kernels.softmaxCrossEntropy(rows, classes, logits, labels, values);
    gradient.values = values;
    return [{ shape: [], values: Float32Array.of(loss) }];
  },
  gradient: (dy, _saved, attributes) => ({
    logits: () => runEntropyGradient({ dy }, attributes)[0] as tf.Tensor,
  }),
});

/**
 * Mean cross entropy of the softmax over the last axis.
 *
 * @param logits [..., classes]
 * @param labels one class per voxel, in the same order
 * @throws Failure('SHAPE_MISMATCH')
 */
export function softmaxCrossEntropy(logits: tf.Tensor, labels: Int32Array): tf.Scalar {
  const classes = logits.shape.at(-1) ?? 0;
  if (labels.length !== logits.size / classes) {
    const message = `${String(labels.length)} labels for ${String(logits.size / classes)} voxels.`;
    throw mismatch(message, { logits: logits.shape, labels: labels.length });
  }
  return runEntropy({ logits }, { shape: logits.shape, labels, gradient: { values: null } })[0] as tf.Scalar;
}
