import type { tf } from '../tfjs.js';
import { sumOf, sumRows, within, type Inputs, type Kernel } from './kernel.js';
import * as ops from './ops.js';

/**
 * TensorFlow convolves depthwise in two dimensions only: a kernel of k slices is k such convolutions of slices that
 * are shifted against each other, with those slices left out that would meet zeros alone.
 */

/** Tap `tap` of k reaches from slices `x`.. of the input to slices `y`.. of the output, `count` of them. */
interface Reach {
  tap: number;
  x: number;
  y: number;
  count: number;
}

function reaches(k: number, d: number): Reach[] {
  return Array.from({ length: k }, (_, tap) => {
    const shift = tap - (k >> 1);
    return { tap, x: Math.max(0, shift), y: Math.max(0, -shift), count: d - Math.abs(shift) };
  }).filter(({ count }) => count > 0);
}

/** Some slices of x [n, d, h, w, c] as images [n * count, h, w, c]. */
function slicesOf(x: tf.Tensor, from: number, count: number): tf.Tensor {
  const [n = 0, , h = 0, w = 0, c = 0] = x.shape;
  const part = ops.slice(x, [0, from, 0, 0, 0], [n, count, h, w, c]);
  return ops.reshape(part, [n * count, h, w, c]);
}

/** Back to a volume of d slices, zero where there are none. */
function volumeOf(images: tf.Tensor, shape: readonly number[], from: number, count: number): tf.Tensor {
  const [n = 0, d = 0, h = 0, w = 0, c = 0] = shape;
  const part = ops.reshape(images, [n, count, h, w, c]);
  return count === d ? part : ops.pad(part, [0, from, 0, 0, 0], [0, d - from - count, 0, 0, 0]);
}

/** w [c, 1, k, k, k] as k kernels [k, k, c, 1]. */
function kernelsOf(w: tf.Tensor): tf.Tensor[] {
  const [c = 0, , k = 0] = w.shape;
  const turned = ops.transpose(ops.reshape(w, [c, k, k, k]), [1, 2, 3, 0]);
  return Array.from({ length: k }, (_, tap) =>
    ops.reshape(ops.slice(turned, [tap, 0, 0, 0], [1, k, k, c]), [k, k, c, 1]),
  );
}

export function depthwise(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  return within(() => {
    const kernels = kernelsOf(w);
    const [, d = 0] = x.shape;
    const term = ({ tap, x: from, y, count }: Reach) => {
      const images = ops.depthwise2d(slicesOf(x, from, count), kernels[tap] as tf.Tensor);
      return volumeOf(images, x.shape, y, count);
    };
    return sumOf(reaches(kernels.length, d).map((reach) => () => term(reach)));
  });
}

export function depthwiseInput(dy: tf.Tensor, w: tf.Tensor): tf.Tensor {
  return within(() => {
    const kernels = kernelsOf(w);
    const [, d = 0] = dy.shape;
    const term = ({ tap, x, y, count }: Reach) => {
      const images = slicesOf(dy, y, count);
      const dx = ops.depthwise2dInput(images.shape, kernels[tap] as tf.Tensor, images);
      return volumeOf(dx, dy.shape, x, count);
    };
    return sumOf(reaches(kernels.length, d).map((reach) => () => term(reach)));
  });
}

/** @param shape of the weights, [c, 1, k, k, k] */
export function depthwiseFilter(x: tf.Tensor, dy: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return within(() => {
    const [c = 0, , k = 0] = shape;
    const [, d = 0] = x.shape;
    const known = reaches(k, d);
    const kernels = Array.from({ length: k }, (_, tap) =>
      within(() => {
        const reach = known.find((one) => one.tap === tap);
        if (reach === undefined) return ops.zeros([1, k, k, c]);
        const [from, to] = [slicesOf(x, reach.x, reach.count), slicesOf(dy, reach.y, reach.count)];
        return ops.reshape(ops.depthwise2dFilter(from, [k, k, c, 1], to), [1, k, k, c]);
      }),
    );
    const turned = kernels.length === 1 ? (kernels[0] as tf.Tensor) : ops.concat(kernels, 0);
    return ops.reshape(ops.transpose(turned, [3, 0, 1, 2]), shape);
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
