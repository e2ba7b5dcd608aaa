import type { GroupNormShape } from '@lvnet/kernels';
import { defineOperation, present, together } from './operation.js';
import { checkPerChannel, mismatch } from './shapes.js';
import { tf } from './tfjs.js';

interface Attributes {
  s: GroupNormShape;
  epsilon: number;
  rectified: boolean;
  /** Filled by forward, read by backward: statistics are no tensors, nothing differentiates them. */
  mean: Float32Array;
  variance: Float32Array;
}

const runGradient = defineOperation<Attributes>({
  name: 'LvnetGroupNormGradient',
  run: (call) => {
    const { s, mean, variance, ...o } = call.attributes;
    const x = call.floats('x');
    const dx = call.room(x.length);
    const [dgamma, dbeta] = [new Float32Array(s.c), new Float32Array(s.c)];
    const p = { ...o, gamma: call.floats('gamma'), beta: call.floats('beta') };
    call.backend.kernels.groupNormBackward(s, x, p, mean, variance, call.floats('dy'), dx, dgamma, dbeta);
    return [
      { shape: call.shape('x'), values: dx },
      { shape: [s.c], values: dgamma },
      { shape: [s.c], values: dbeta },
    ];
  },
});

const run = defineOperation<Attributes>({
  name: 'LvnetGroupNorm',
  saves: ['x', 'gamma', 'beta'],
  run: (call) => {
    const { s, mean, variance, ...o } = call.attributes;
    const x = call.floats('x');
    const y = call.room(x.length);
    const p = { ...o, gamma: call.floats('gamma'), beta: call.floats('beta') };
    call.backend.kernels.groupNormForward(s, x, p, mean, variance, y);
    return [{ shape: call.shape('x'), values: y }];
  },
  gradient: (dy, { x, gamma, beta }, attributes) =>
    together(['x', 'gamma', 'beta'], runGradient(present({ x, gamma, beta, dy }), attributes)),
});

/**
 * Group normalisation of each sample by itself, in training and inference alike.
 *
 * @param x [n, ..., c]; gamma and beta [c]
 * @param o.rectified normalises max(0, x): one operation, one tensor less to keep
 * @throws Failure('SHAPE_MISMATCH')
 */
export function groupNorm(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  o: { groups: number; epsilon: number; rectified?: boolean },
): tf.Tensor {
  const n = x.shape[0];
  const c = x.shape.at(-1) ?? 0;
  if (c % o.groups !== 0) {
    const message = `${String(c)} channels cannot be cut into ${String(o.groups)} groups.`;
    throw mismatch(message, { shape: x.shape, groups: o.groups });
  }
  checkPerChannel('gamma', gamma, c);
  checkPerChannel('beta', beta, c);
  const s = { n, voxels: x.size / (n * c), c, groups: o.groups };
  const [mean, variance] = [new Float32Array(n * o.groups), new Float32Array(n * o.groups)];
  const attributes = { s, epsilon: o.epsilon, rectified: o.rectified ?? false, mean, variance };
  return run({ x, gamma, beta }, attributes)[0] as tf.Tensor;
}
