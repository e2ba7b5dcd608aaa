import { convolve } from './dense-convolution.js';
import { defineOperation } from './operation.js';
import { mismatch } from './shapes.js';
import { tf } from './tfjs.js';

/** `count` channels from `first` on, of c. */
interface Part {
  first: number;
  count: number;
  c: number;
}

const channelsOf = (shape: readonly number[]): number => shape.at(-1) ?? 0;
const withChannels = (shape: readonly number[], c: number): number[] => [...shape.slice(0, -1), c];

const runPlace = defineOperation<Part>({
  name: 'LvnetPlaceChannels',
  run: (call) => {
    const { first, count, c } = call.attributes;
    const [shape, dy] = [call.shape('dy'), call.floats('dy')];
    const rows = dy.length / count;
    const dx = call.room(rows * c).fill(0);
    const from = { values: dy, c: count, first: 0 };
    call.backend.kernels.copyChannels(rows, count, from, { values: dx, c, first });
    return [{ shape: withChannels(shape, c), values: dx }];
  },
});

const runTake = defineOperation<Part>({
  name: 'LvnetTakeChannels',
  run: (call) => {
    const { first, count, c } = call.attributes;
    const [shape, x] = [call.shape('x'), call.floats('x')];
    const rows = x.length / c;
    const y = call.room(rows * count);
    const from = { values: x, c, first };
    call.backend.kernels.copyChannels(rows, count, from, { values: y, c: count, first: 0 });
    return [{ shape: withChannels(shape, count), values: y }];
  },
  gradient: (dy, _saved, attributes) => ({ x: () => runPlace({ dy }, attributes)[0] as tf.Tensor }),
});

/** Some neighbouring channels of x [..., c]. @throws Failure('SHAPE_MISMATCH') */
export function takeChannels(x: tf.Tensor, first: number, count: number): tf.Tensor {
  const c = channelsOf(x.shape);
  if (first < 0 || count < 1 || first + count > c) {
    const message = `Channels ${String(first)} to ${String(first + count - 1)} are not all there: x has ${String(c)}.`;
    throw mismatch(message, { shape: x.shape, first, count });
  }
  return runTake({ x }, { first, count, c })[0] as tf.Tensor;
}

const nameOf = (i: number): string => `x${String(i)}`;

const runConcat = defineOperation<{ counts: readonly number[] }>({
  name: 'LvnetConcatChannels',
  run: (call) => {
    const { counts } = call.attributes;
    const c = counts.reduce((sum, count) => sum + count, 0);
    const shape = call.shape(nameOf(0));
    const rows = tf.util.sizeFromShape(shape) / channelsOf(shape);
    const y = call.room(rows * c);
    let first = 0;
    for (const [i, count] of counts.entries()) {
      const from = { values: call.floats(nameOf(i)), c: count, first: 0 };
      call.backend.kernels.copyChannels(rows, count, from, { values: y, c, first });
      first += count;
    }
    return [{ shape: withChannels(shape, c), values: y }];
  },
  gradient: (dy, _saved, { counts }) => {
    const c = counts.reduce((sum, count) => sum + count, 0);
    let first = 0;
    return Object.fromEntries(
      counts.map((count, i) => {
        const part = { first, count, c };
        first += count;
        return [nameOf(i), () => runTake({ x: dy }, part)[0] as tf.Tensor];
      }),
    );
  },
});

/** The channels of all one behind the other; all else must agree. @throws Failure('SHAPE_MISMATCH') */
export function concatChannels(xs: readonly tf.Tensor[]): tf.Tensor {
  const sizes = xs.map(({ shape }) => withChannels(shape, 0).join('x'));
  if (new Set(sizes).size !== 1) {
    const shapes = xs.map(({ shape }) => shape);
    const message = `${shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ')} cannot be concatenated.`;
    throw mismatch(message, { shapes });
  }
  const counts = xs.map(({ shape }) => channelsOf(shape));
  return runConcat(Object.fromEntries(xs.map((x, i) => [nameOf(i), x])), { counts })[0] as tf.Tensor;
}

/** One channel [..., 1] in every one of `count` channels. @throws Failure('SHAPE_MISMATCH') */
export function repeatChannel(x: tf.Tensor, count: number): tf.Tensor {
  const one = [1, 1, 1] as const;
  return tf.tidy(() => {
    const ones = tf.tensor(new Float32Array(count).fill(1), [count, 1, 1, 1, 1]);
    return convolve(x, ones, null, { stride: one, padding: [0, 0, 0], dilation: one });
  });
}
