import type { Activation } from '@lvnet/kernels';
import { defineOperation, present, together } from './operation.js';
import { checkPerChannel } from './shapes.js';
import { tf } from './tfjs.js';

/** Batch statistics as a layer sees them; the variance is the biased one. */
export interface BatchStatistics {
  mean: Float32Array;
  variance: Float32Array;
  /** Values per channel. */
  count: number;
}

export type OnStatistics = (statistics: BatchStatistics) => void;

interface NormAttributes {
  epsilon: number;
  activation: Activation;
  /** Filled by forward, read by backward: statistics are no tensors, nothing differentiates them. */
  statistics: BatchStatistics;
}

const rowsOf = (shape: readonly number[]): { rows: number; c: number } => {
  const c = shape.at(-1) ?? 0;
  return { rows: tf.util.sizeFromShape([...shape]) / c, c };
};

const runNormGradient = defineOperation<NormAttributes>({
  name: 'LvnetBatchNormGradient',
  run: (call) => {
    const { epsilon, activation, statistics } = call.attributes;
    const shape = call.shape('x');
    const { rows, c } = rowsOf(shape);
    const p = { ...statistics, gamma: call.floats('gamma'), beta: call.floats('beta'), epsilon };
    const dx = call.room(rows * c);
    const [dgamma, dbeta] = [new Float32Array(c), new Float32Array(c)];
    const [x, dy] = [call.floats('x'), call.floats('dy')];
    call.backend.kernels.batchNormBackward(rows, c, x, p, activation, dy, dx, dgamma, dbeta);
    return [
      { shape, values: dx },
      { shape: [c], values: dgamma },
      { shape: [c], values: dbeta },
    ];
  },
});

const runNorm = defineOperation<NormAttributes>({
  name: 'LvnetBatchNorm',
  saves: ['x', 'gamma', 'beta'],
  run: (call) => {
    const { epsilon, activation, statistics } = call.attributes;
    const shape = call.shape('x');
    const { rows, c } = rowsOf(shape);
    const x = call.floats('x');
    call.backend.kernels.batchNormStatistics(rows, c, x, statistics.mean, statistics.variance);
    statistics.count = rows;
    const p = { ...statistics, gamma: call.floats('gamma'), beta: call.floats('beta'), epsilon };
    const y = call.room(rows * c);
    call.backend.kernels.batchNormForward(rows, c, x, p, activation, null, y);
    return [{ shape, values: y }];
  },
  gradient: (dy, { x, gamma, beta }, attributes) =>
    together(['x', 'gamma', 'beta'], runNormGradient(present({ x, gamma, beta, dy }), attributes)),
});

/**
 * Batch normalisation by the batch's own statistics, then the activation.
 *
 * @param x [..., c]; gamma and beta [c]
 * @throws Failure('SHAPE_MISMATCH')
 */
export function batchNormTrain(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  o: { epsilon: number; activation?: Activation; onStatistics?: OnStatistics | undefined },
): tf.Tensor {
  const { c } = rowsOf(x.shape);
  checkPerChannel('gamma', gamma, c);
  checkPerChannel('beta', beta, c);
  const statistics = { mean: new Float32Array(c), variance: new Float32Array(c), count: 0 };
  const attributes = { epsilon: o.epsilon, activation: o.activation ?? 'none', statistics };
  const y = runNorm({ x, gamma, beta }, attributes)[0] as tf.Tensor;
  o.onStatistics?.(statistics);
  return y;
}

const runNormInfer = defineOperation<{ epsilon: number; activation: Activation }>({
  name: 'LvnetBatchNormInfer',
  run: (call) => {
    const shape = call.shape('x');
    const { rows, c } = rowsOf(shape);
    const p = {
      mean: call.floats('mean'),
      variance: call.floats('variance'),
      gamma: call.floats('gamma'),
      beta: call.floats('beta'),
      epsilon: call.attributes.epsilon,
    };
    const y = call.room(rows * c);
    call.backend.kernels.batchNormForward(rows, c, call.floats('x'), p, call.attributes.activation, null, y);
    return [{ shape, values: y }];
  },
});

/**
 * Batch normalisation by running statistics, then the activation; for inference, not differentiable.
 *
 * @throws Failure('SHAPE_MISMATCH')
 */
export function batchNormInfer(
  x: tf.Tensor,
  p: { gamma: tf.Tensor; beta: tf.Tensor; mean: tf.Tensor; variance: tf.Tensor },
  o: { epsilon: number; activation?: Activation },
): tf.Tensor {
  const { c } = rowsOf(x.shape);
  for (const [name, tensor] of Object.entries(p)) checkPerChannel(name, tensor, c);
  const attributes = { epsilon: o.epsilon, activation: o.activation ?? 'none' };
  return runNormInfer({ x, ...p }, attributes)[0] as tf.Tensor;
}
