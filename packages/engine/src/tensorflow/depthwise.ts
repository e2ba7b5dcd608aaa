import type { tf } from '../tfjs.js';
import { sumOf, sumRows, within, type Inputs, type Kernel } from './kernel.js';
import * as ops from './ops.js';

/**
 * TensorFlow convolves depthwise in two dimensions only: a kernel of k slices is k such convolutions of slices that
 * are shifted against each other. With zero slices around the volume all of them are as many, so that nothing is cut
 * or laid out again: on a GPU, telling it of an operation takes as long as most of them do.
 */

/** x [n, d, h, w, c] with half a kernel of zeros in front of and behind each volume. */
interface Wide {
  x: tf.Tensor;
  d: number;
}

function widened(x: tf.Tensor, k: number): Wide {
  const around = [0, k >> 1, 0, 0, 0];
  return { x: ops.pad(x, around, around), d: x.shape[1] ?? 0 };
}

/** The d slices of each volume that begin `from` slices from its front, as images [n * d, h, w, c]. */
function images({ x, d }: Wide, from: number): tf.Tensor {
  const [n = 0, , ...image] = x.shape;
  if (n === 1) return ops.slice(ops.reshape(x, x.shape.slice(1)), [from, 0, 0, 0], [d, ...image]);
  return ops.reshape(ops.slice(x, [0, from, 0, 0, 0], [n, d, ...image]), [n * d, ...image]);
}

/** Those of a kernel's k slices that meet something else than zeros. */
const metBy = (k: number, d: number): number[] =>
  Array.from({ length: k }, (_, tap) => tap).filter((tap) => Math.abs(tap - (k >> 1)) < d);

/** w [c, 1, k, k, k] as k kernels [k, k, c, 1]. */
const kernelsOf = (w: tf.Tensor): tf.Tensor[] => ops.unpack(ops.transpose(w, [2, 3, 4, 0, 1]));

export function depthwise(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  return within(() => {
    const [kernels, wide] = [kernelsOf(w), widened(x, w.shape[2] ?? 0)];
    const term = (tap: number) => ops.depthwise2d(images(wide, tap), kernels[tap] as tf.Tensor);
    const taps = metBy(kernels.length, wide.d);
    return ops.reshape(sumOf(taps.map((tap) => () => term(tap))), x.shape);
  });
}

export function depthwiseInput(dy: tf.Tensor, w: tf.Tensor): tf.Tensor {
  return within(() => {
    const [kernels, wide] = [kernelsOf(w), widened(dy, w.shape[2] ?? 0)];
    const term = (tap: number) => {
      const part = images(wide, kernels.length - 1 - tap);
      return ops.depthwise2dInput(part.shape, kernels[tap] as tf.Tensor, part);
    };
    const taps = metBy(kernels.length, wide.d);
    return ops.reshape(sumOf(taps.map((tap) => () => term(tap))), dy.shape);
  });
}

/** @param shape of the weights, [c, 1, k, k, k] */
export function depthwiseFilter(x: tf.Tensor, dy: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return within(() => {
    const [c = 0, , k = 0] = shape;
    const [n = 0, d = 0, ...image] = dy.shape;
    const [wide, to] = [widened(x, k), ops.reshape(dy, [n * d, ...image])];
    const met = metBy(k, wide.d);
    const kernels = Array.from({ length: k }, (_, tap) =>
      met.includes(tap)
        ? within(() => ops.depthwise2dFilter(images(wide, tap), [k, k, c, 1], to))
        : ops.zeros([k, k, c, 1]),
    );
    return ops.transpose(ops.pack(kernels), [3, 4, 0, 1, 2]);
  });
}

const withBias = (y: tf.Tensor, inputs: Inputs): tf.Tensor => {
  const bias = inputs.maybe('b');
  return bias === null ? y : ops.addBias(y, bias);
};

const forward: Kernel<unknown> = (inputs) => withBias(depthwise(inputs.of('x'), inputs.of('w')), inputs);
const input: Kernel<unknown> = (inputs) => depthwiseInput(inputs.of('dy'), inputs.of('w'));
const filter: Kernel<{ shape: number[]; biased: boolean }> = (inputs, { shape, biased }) => {
  const dy = inputs.of('dy');
  return [depthwiseFilter(inputs.of('x'), dy, shape), biased ? sumRows(dy) : ops.zeros([shape[0] ?? 0])];
};

export const depthwiseKernels = {
  LvnetDepthwise3d: forward,
  LvnetDepthwise3dInputGradient: input,
  LvnetDepthwise3dFilterGradient: filter,
};
