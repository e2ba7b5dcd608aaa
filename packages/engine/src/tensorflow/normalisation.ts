import type { Activation, GroupNormShape } from '@lvnet/kernels';
import type { tf } from '../tfjs.js';
import { normalise, type Statistics } from './batch-norm.js';
import { activate, activationGradient, channelsOf, rowsOf, within, type Kernel } from './kernel.js';
import * as ops from './ops.js';

interface NormAttributes {
  epsilon: number;
  activation: Activation;
  statistics: Statistics & { count: number };
}

const train: Kernel<NormAttributes> = (inputs, { epsilon, activation, statistics }) => {
  const x = inputs.of('x');
  const normalised = normalise(x, inputs.of('gamma'), inputs.of('beta'), epsilon);
  statistics.count = rowsOf(x);
  normalised.tell(statistics);
  return activate(normalised.y, activation);
};

const trainGradient: Kernel<NormAttributes> = (inputs, { epsilon, activation }) => {
  const [x, gamma, dy] = [inputs.of('x'), inputs.of('gamma'), inputs.of('dy')];
  const normalised = normalise(x, gamma, inputs.of('beta'), epsilon);
  const inner = within(() => activationGradient(dy, activate(normalised.y, activation), activation));
  return normalised.gradient(inner);
};

/** [1, 1, rows, c] */
const flat = (x: tf.Tensor): tf.Tensor => ops.reshape(x, [1, 1, rowsOf(x), channelsOf(x)]);

/** By running statistics. */
export const normaliseBy = (
  x: tf.Tensor,
  p: { gamma: tf.Tensor; beta: tf.Tensor; mean: tf.Tensor; variance: tf.Tensor },
  epsilon: number,
): tf.Tensor => within(() => ops.reshape(ops.batchNormInfer(flat(x), p, epsilon), x.shape));

const infer: Kernel<{ epsilon: number; activation: Activation }> = (inputs, { epsilon, activation }) => {
  const p = {
    ...{ gamma: inputs.of('gamma'), beta: inputs.of('beta') },
    ...{ mean: inputs.of('mean'), variance: inputs.of('variance') },
  };
  const x = inputs.of('x');
  return activate(normaliseBy(x, p, epsilon), activation);
};

interface GroupAttributes {
  s: GroupNormShape;
  epsilon: number;
  rectified: boolean;
}

const ofGroup = [1, 3];

/** x [n, voxels, groups, channels of a group] less its group's mean, by its group's deviation. */
function groupNormalise(x: tf.Tensor, { s, epsilon, rectified }: GroupAttributes) {
  const grouped = ops.reshape(rectified ? ops.relu(x) : x, [s.n, s.voxels, s.groups, s.c / s.groups]);
  const centred = ops.subtract(grouped, ops.mean(grouped, ofGroup, true));
  const variance = within(() => ops.mean(ops.square(centred), ofGroup, true));
  const inverse = ops.inverseRoot(ops.addNumber(variance, epsilon));
  return { hat: ops.multiply(centred, inverse), inverse };
}

const perChannel = (values: tf.Tensor, s: GroupNormShape): tf.Tensor =>
  ops.reshape(values, [1, 1, s.groups, s.c / s.groups]);

const groupNorm: Kernel<GroupAttributes> = (inputs, attributes) => {
  const { s } = attributes;
  const x = inputs.of('x');
  const { hat } = within(() => groupNormalise(x, attributes));
  const scaled = ops.multiply(hat, perChannel(inputs.of('gamma'), s));
  return ops.reshape(ops.add(scaled, perChannel(inputs.of('beta'), s)), x.shape);
};

const groupNormGradient: Kernel<GroupAttributes> = (inputs, attributes) => {
  const { s, rectified } = attributes;
  const x = inputs.of('x');
  const { hat, inverse } = within(() => groupNormalise(x, attributes));
  const dy = ops.reshape(inputs.of('dy'), hat.shape);
  const [dgamma, dbeta] = [within(() => ops.multiply(dy, hat)), dy].map((values) =>
    ops.reshape(ops.sum(values, [0, 1]), [s.c]),
  );
  const scaled = ops.multiply(dy, perChannel(inputs.of('gamma'), s));
  const along = within(() => ops.mean(ops.multiply(scaled, hat), ofGroup, true));
  const centred = within(() => {
    const less = ops.subtract(scaled, ops.mean(scaled, ofGroup, true));
    return ops.multiply(ops.subtract(less, ops.multiply(hat, along)), inverse);
  });
  const dx = ops.reshape(centred, x.shape);
  return [rectified ? ops.reluGradient(dx, x) : dx, dgamma as tf.Tensor, dbeta as tf.Tensor];
};

export const normalisationKernels = {
  LvnetBatchNorm: train,
  LvnetBatchNormGradient: trainGradient,
  LvnetBatchNormInfer: infer,
  LvnetGroupNorm: groupNorm,
  LvnetGroupNormGradient: groupNormGradient,
};
