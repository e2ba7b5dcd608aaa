import type { Activation } from '@lvnet/kernels';
import { tf } from '../tfjs.js';
import * as ops from './ops.js';

/** An operation of ours on TensorFlow; what it makes beside its results goes with the scope it runs in. */
export type Kernel<A> = (inputs: Inputs, attributes: A) => tf.Tensor | tf.Tensor[];

/** Inputs by name; one that is asked for is there, but for those that may be left out. */
export interface Inputs {
  of(name: string): tf.Tensor;
  maybe(name: string): tf.Tensor | null;
}

/** Runs a part and keeps only the tensors of its result, an object of whatever else beside them. */
export const within = <T>(part: () => T): T => tf.tidy(part as () => tf.TensorContainer) as T;

export const channelsOf = ({ shape }: tf.Tensor): number => shape.at(-1) ?? 0;
export const rowsOf = (x: tf.Tensor): number => x.size / channelsOf(x);
/** [rows, channels] */
export const asRows = (x: tf.Tensor): tf.Tensor => ops.reshape(x, [rowsOf(x), channelsOf(x)]);

/** The sum of each channel: the gradient of a bias. */
export const sumRows = (x: tf.Tensor): tf.Tensor => ops.sum(asRows(x), [0]);

export function activate(x: tf.Tensor, activation: Activation): tf.Tensor {
  if (activation === 'none') return x;
  return activation === 'relu' ? ops.relu(x) : ops.elu(x);
}

/** @param y the activation's result */
export function activationGradient(dy: tf.Tensor, y: tf.Tensor, activation: Activation): tf.Tensor {
  if (activation === 'none') return dy;
  return activation === 'relu' ? ops.reluGradient(dy, y) : ops.eluGradient(dy, y);
}

/** Adds up in order; each term is made when its turn comes and goes with it. */
export function sumOf(terms: readonly (() => tf.Tensor)[]): tf.Tensor {
  const [first, ...others] = terms;
  if (first === undefined) throw new Error('a sum needs terms');
  let total = within(first);
  for (const term of others) {
    const next = within(() => ops.add(total, term()));
    total.dispose();
    total = next;
  }
  return total;
}
