import { counterRandom } from '@lvnet/core';
import { tf } from '../tfjs.js';
import { readLater, settle } from './aside.js';
import type { TensorFlowBackend } from './backend.js';
import { channelsOf, rowsOf, within } from './kernel.js';
import * as ops from './ops.js';

/** A normalisation by the batch's own statistics. */
interface Normalised {
  /** Before the activation. */
  y: tf.Tensor;
  /** What the gradient reads, beside dy and gamma. */
  kept: tf.Tensor[];
  /** Hands the statistics to the host, at the end of the pass if there is one. */
  tell: (into: Statistics) => void;
  /** @returns dx, dgamma, dbeta */
  gradient: (dy: tf.Tensor) => [tf.Tensor, tf.Tensor, tf.Tensor];
}

/** Variances are the biased ones. */
export interface Statistics {
  mean: Float32Array;
  variance: Float32Array;
}

export type Normalise = (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: number) => Normalised;

/** The divisor next to the root from below: as many sums as terms. */
function nearRoot(count: number): number {
  let divisor = Math.floor(Math.sqrt(count));
  while (count % divisor !== 0) divisor--;
  return divisor;
}

/**
 * Of each channel, by sums of sums. TensorFlow adds up all voxels in float32 one by one on processors, which leaves a
 * thousandth of a deviation where the mean is large; its fused batch norm as well.
 */
const meanOf = (x: tf.Tensor): tf.Tensor =>
  within(() => {
    const [rows, outer] = [rowsOf(x), nearRoot(rowsOf(x))];
    return ops.mean(ops.mean(ops.reshape(x, [outer, rows / outer, channelsOf(x)]), [1]), [0]);
  });

const product = (x: tf.Tensor, ...factors: tf.Tensor[]): tf.Tensor => factors.reduce(ops.multiply, x);

/** By simple operations, each of them exact to float32's rounding: what the fused ones are held to. */
export const normaliseSimply: Normalise = (x, gamma, beta, epsilon) =>
  within(() => {
    const mean = meanOf(x);
    const centred = ops.subtract(x, mean);
    const variance = within(() => meanOf(ops.square(centred)));
    const inverse = ops.inverseRoot(ops.addNumber(variance, epsilon));
    const scale = ops.multiply(gamma, inverse);
    const y = within(() => ops.add(ops.multiply(centred, scale), beta));
    return {
      ...{ y, kept: [centred, inverse, mean, variance] },
      tell: (into: Statistics) => {
        readLater(mean, into.mean);
        readLater(variance, into.variance);
      },
      gradient: (dy: tf.Tensor) => simpleGradient(dy, gamma, centred, inverse),
    };
  });

/** With hat = (x - mean) / deviation: dx = gamma / deviation (dy - mean(dy) - hat mean(dy hat)). */
function simpleGradient(
  dy: tf.Tensor,
  gamma: tf.Tensor,
  centred: tf.Tensor,
  inverse: tf.Tensor,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  return within(() => {
    const rows = rowsOf(dy);
    const meanDy = meanOf(dy);
    const meanDyHat = within(() => ops.multiply(meanOf(ops.multiply(dy, centred)), inverse));
    const less = within(() => {
      const part = ops.multiply(centred, product(inverse, meanDyHat));
      return ops.subtract(ops.subtract(dy, meanDy), part);
    });
    const dx = ops.multiply(less, product(gamma, inverse));
    return [dx, ops.multiplyNumber(meanDyHat, rows), ops.multiplyNumber(meanDy, rows)];
  });
}

/** By TensorFlow's one operation for it, which is cuDNN's on GPUs. Of one row it knows no unbiased variance. */
export const normaliseFused: Normalise = (x, gamma, beta, epsilon) =>
  within(() => {
    const rows = rowsOf(x);
    const images = ops.reshape(x, imagesOf(x.shape));
    const [y, mean, unbiased, ...reserves] = ops.batchNorm(images, gamma, beta, epsilon) as [
      ...[tf.Tensor, tf.Tensor, tf.Tensor],
      ...tf.Tensor[],
    ];
    return {
      ...{ y: ops.reshape(y, x.shape), kept: [images, mean, unbiased, ...reserves] },
      tell: (into: Statistics) => {
        readLater(mean, into.mean);
        readLater(unbiased, into.variance, (rows - 1) / rows);
      },
      gradient: (dy: tf.Tensor) =>
        within(() => {
          const alike = ops.reshape(dy, images.shape);
          const [dx, dgamma, dbeta] = ops.batchNormGradient(alike, images, gamma, reserves, epsilon) as [
            ...[tf.Tensor, tf.Tensor, tf.Tensor],
          ];
          return [ops.reshape(dx, x.shape), dgamma, dbeta];
        }),
    };
  });

/** [n, d, h, w, c] as [n * d, h, w, c]. */
function imagesOf(shape: readonly number[]): number[] {
  const last = shape.slice(-3);
  return [ops.sizeOf(shape) / ops.sizeOf(last), ...last];
}

/** By the batch's own statistics. */
export const normalise: Normalise = (x, gamma, beta, epsilon) => {
  const normaliseBest = rowsOf(x) > 1 && mayFuse() ? normaliseFused : normaliseSimply;
  return normaliseBest(x, gamma, beta, epsilon);
};

let fuses: boolean | undefined;

/** On GPUs only, and where it agrees with the simple operations and with itself. */
function mayFuse(): boolean {
  fuses ??= (tf.backend() as TensorFlowBackend).binding.isUsingGpuDevice() && isAsGood(normaliseFused);
  return fuses;
}

/** Held against the simple operations on made-up numbers, and against itself: values, gradients, statistics. */
export function isAsGood(normaliseBy: Normalise): boolean {
  return within(() => {
    const [shape, c] = [[2, 5, 11, 23, 6], 6];
    const made = (size: number[], seed: number, mean: number) => {
      const values = new Float32Array(ops.sizeOf(size));
      counterRandom('fused batch norm', seed).fill(values, 1);
      return tf.tensor(
        values.map((value) => value + mean),
        size,
      );
    };
    const [x, gamma, beta, dy] = [made(shape, 1, 3), made([c], 2, 2), made([c], 3, 0), made(shape, 4, 0)];
    const results = [normaliseSimply, normaliseBy, normaliseBy].map((run) => {
      const normalised = run(x, gamma, beta, 1e-5);
      const told = { mean: new Float32Array(c), variance: new Float32Array(c) };
      normalised.tell(told);
      settle();
      const tensors = [normalised.y, ...normalised.gradient(dy)];
      return [...tensors.map((tensor) => tensor.dataSync<'float32'>()), told.mean, told.variance];
    });
    const [simple, other, again] = results as [Float32Array[], Float32Array[], Float32Array[]];
    return simple.every((values, i) => {
      const [found, second] = [other[i] ?? values.subarray(0, 0), again[i]];
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      return values.every(
        (value, at) =>
          Math.abs(value - (found[at] ?? Number.NaN)) <= 1e-4 * largest && found[at] === second?.[at],
      );
    });
  });
}
