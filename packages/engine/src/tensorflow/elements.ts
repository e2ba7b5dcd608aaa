import { invariant } from '@lvnet/core';
import { isRecording } from '../recording.js';
import { tf } from '../tfjs.js';
import { dropShared, madeOnce, setAside, takeAside } from './aside.js';
import { asRows, within, type Inputs, type Kernel } from './kernel.js';
import * as ops from './ops.js';

/** What works number by number, and the loss. */

interface Part {
  first: number;
  count: number;
  c: number;
}

const starts = ({ shape }: tf.Tensor, first: number): number[] => [...shape.slice(1).map(() => 0), first];
const ends = (x: tf.Tensor, last: number): number[] => [...x.shape.slice(0, -1), last];

const take = (x: tf.Tensor, { first, count }: Part): tf.Tensor =>
  ops.slice(x, starts(x, first), ends(x, count));
const takeChannels: Kernel<Part> = (inputs, part) => take(inputs.of('x'), part);
const placeChannels: Kernel<Part> = (inputs, { first, count, c }) => {
  const dy = inputs.of('dy');
  return ops.pad(dy, starts(dy, first), starts(dy, c - first - count));
};
const concatChannels: Kernel<{ counts: readonly number[] }> = (inputs, { counts }) => {
  const xs = counts.map((_, i) => inputs.of(`x${String(i)}`));
  const [first] = xs;
  invariant(first !== undefined, 'something is concatenated');
  return xs.length === 1 ? ops.reshape(first, first.shape) : ops.concat(xs, first.rank - 1);
};

const relu: Kernel<unknown> = (inputs) => ops.relu(inputs.of('x'));
const reluGradient: Kernel<unknown> = (inputs) => ops.reluGradient(inputs.of('dy'), inputs.of('y'));

const slopeOf = (inputs: Inputs): number => inputs.of('slope').dataSync()[0] ?? Number.NaN;
const prelu: Kernel<unknown> = (inputs) => ops.leakyRelu(inputs.of('x'), slopeOf(inputs));
const preluGradient: Kernel<unknown> = (inputs) => {
  const [x, dy] = [inputs.of('x'), inputs.of('dy')];
  const dslope = within(() => {
    const below = ops.subtract(x, ops.relu(x));
    return ops.sum(ops.reshape(ops.multiply(dy, below), [1, x.size]), [1]);
  });
  return [ops.leakyReluGradient(dy, x, slopeOf(inputs)), dslope];
};

const add: Kernel<unknown> = (inputs) => ops.add(inputs.of('a'), inputs.of('b'));

/** On the host, as the other engines do it: a handful of numbers. */
const weightedSum: Kernel<{ weights: readonly number[] }> = (inputs, { weights }) => {
  const total = weights.reduce(
    (sum, weight, i) => sum + weight * (inputs.of(`s${String(i)}`).dataSync()[0] ?? Number.NaN),
    0,
  );
  return tf.scalar(total);
};

interface Entropy {
  shape: readonly number[];
  labels: Int32Array;
}

/** [labels, classes]; heads of a network share it. */
function oneHot(labels: Int32Array, classes: number): tf.Tensor {
  if (labels.some((label) => label < 0 || label >= classes))
    throw new TypeError('a label is outside the classes');
  return ops.oneHot(tf.tensor1d(labels, 'int32'), classes);
}

/** By simple operations: TensorFlow's own gives other bytes on GPUs from run to run. */
const crossEntropy: Kernel<Entropy> = (inputs, attributes) => {
  const logits = asRows(inputs.of('logits'));
  const classes = logits.shape[1] ?? 0;
  const truth = madeOnce(attributes.labels, () => oneHot(attributes.labels, classes));
  invariant(truth.shape.at(-1) === classes, 'the heads of a network have as many classes');
  const logarithms = ops.logSoftmax(logits);
  if (isRecording()) setAside(attributes, [within(() => ops.subtract(ops.exponential(logarithms), truth))]);
  return ops.negative(ops.mean(ops.sum(ops.multiply(truth, logarithms), [1]), [0]));
};
const crossEntropyGradient: Kernel<Entropy> = (inputs, attributes) => {
  dropShared(); // all heads have their loss
  const [gradient] = takeAside(attributes);
  invariant(gradient !== undefined, 'the gradient of a cross entropy is asked for once');
  const rows = attributes.labels.length;
  const factor = (inputs.of('dy').dataSync()[0] ?? Number.NaN) / rows;
  return ops.reshape(ops.multiplyNumber(gradient, factor), attributes.shape);
};

export const elementKernels = {
  LvnetTakeChannels: takeChannels,
  LvnetPlaceChannels: placeChannels,
  LvnetConcatChannels: concatChannels,
  LvnetRelu: relu,
  LvnetReluGradient: reluGradient,
  LvnetPrelu: prelu,
  LvnetPreluGradient: preluGradient,
  LvnetAdd: add,
  LvnetWeightedSum: weightedSum,
  LvnetCrossEntropy: crossEntropy,
  LvnetCrossEntropyGradient: crossEntropyGradient,
};
