import type { Activation, BlockActivation, IrbStatistics } from '@lvnet/kernels';
import { tf } from '../tfjs.js';
import { normalise } from './batch-norm.js';
import { pointwise, pointwiseFilter, pointwiseInput } from './convolution.js';
import { depthwise, depthwiseFilter, depthwiseInput } from './depthwise.js';
import { activate, activationGradient, within, type Inputs, type Kernel } from './kernel.js';
import { normaliseBy } from './normalisation.js';
import * as ops from './ops.js';

/** Inverted-residual blocks. Nothing hidden is kept for the gradient, which makes it again from the input. */
interface BlockAttributes {
  epsilon: number;
  activation: BlockActivation;
  biased: boolean;
  kept: { statistics: IrbStatistics };
}

interface Weights {
  expand: tf.Tensor;
  project: tf.Tensor;
  depthwise: tf.Tensor;
}

const matrix = (w: tf.Tensor): tf.Tensor => ops.reshape(w, w.shape.slice(0, 2));
const weightsOf = (inputs: Inputs): Weights => ({
  expand: matrix(inputs.of('expandWeight')),
  project: matrix(inputs.of('projectWeight')),
  depthwise: inputs.of('depthwiseWeight'),
});

/** A convolution's result with its bias, if it has one. */
const biasedBy = (y: tf.Tensor, bias: tf.Tensor | null): tf.Tensor =>
  bias === null ? y : ops.addBias(y, bias);

/** The linear parts, and what stands between them: x -> expand -> h1 -> depthwise -> h2 -> project. */
const expand = (x: tf.Tensor, inputs: Inputs): tf.Tensor =>
  within(() => biasedBy(pointwise(x, weightsOf(inputs).expand), inputs.maybe('expandBias')));
const convolve = (h1: tf.Tensor, inputs: Inputs): tf.Tensor =>
  within(() => biasedBy(depthwise(h1, inputs.of('depthwiseWeight')), inputs.maybe('depthwiseBias')));
const project = (h2: tf.Tensor, inputs: Inputs): tf.Tensor =>
  within(() => biasedBy(pointwise(h2, weightsOf(inputs).project), inputs.maybe('projectBias')));

const forward: Kernel<BlockAttributes> = (inputs, { epsilon, activation, kept }) => {
  const x = inputs.of('x');
  const st = kept.statistics;
  const norm = (a: tf.Tensor, at: 1 | 2 | 3, after: Activation): tf.Tensor =>
    within(() => {
      const into = [
        { mean: st.mean1, variance: st.variance1 },
        { mean: st.mean2, variance: st.variance2 },
        { mean: st.mean3, variance: st.variance3 },
      ][at - 1] as { mean: Float32Array; variance: Float32Array };
      const [gamma, beta] = [inputs.of(`gamma${String(at)}`), inputs.of(`beta${String(at)}`)];
      const normalised = normalise(a, gamma, beta, epsilon);
      normalised.tell(into);
      return activate(normalised.y, after);
    });
  const h2 = chain(x, [
    (from) => expand(from, inputs),
    (a) => norm(a, 1, activation),
    (h1) => convolve(h1, inputs),
    (z) => norm(z, 2, activation),
  ]);
  const p = project(h2, inputs);
  h2.dispose();
  return ops.add(norm(p, 3, 'none'), x);
};

/** Each link uses up what the one before made; the first input stays. */
function chain(x: tf.Tensor, links: readonly ((x: tf.Tensor) => tf.Tensor)[]): tf.Tensor {
  return links.reduce((before, link, i) => {
    const next = link(before);
    if (i > 0) before.dispose();
    return next;
  }, x);
}

const gradient: Kernel<BlockAttributes> = (inputs, { epsilon, activation, biased }) => {
  const [x, dy] = [inputs.of('x'), inputs.of('dy')];
  const w = weightsOf(inputs);
  const gamma = (at: 1 | 2 | 3) => inputs.of(`gamma${String(at)}`);
  /** Uses up what is normalised. */
  const norm = (a: tf.Tensor, at: 1 | 2 | 3, after: Activation) => {
    const normalised = normalise(a, gamma(at), inputs.of(`beta${String(at)}`), epsilon);
    a.dispose();
    const h = activate(normalised.y, after);
    if (after !== 'none') normalised.y.dispose();
    return { normalised, h };
  };
  /** Back through the activation and the normalisation: gradients of what was normalised, gamma, beta. */
  const back = (dh: tf.Tensor, { normalised, h }: ReturnType<typeof norm>) =>
    within(() => normalised.gradient(activationGradient(dh, h, activation)));
  const one = norm(expand(x, inputs), 1, activation);
  const two = norm(convolve(one.h, inputs), 2, activation);
  const three = norm(project(two.h, inputs), 3, 'none');
  const [dp, dgamma3, dbeta3] = three.normalised.gradient(dy);
  tf.dispose([three.h, ...three.normalised.kept]);
  const dproject = pointwiseFilter(two.h, dp);
  const [dz, dgamma2, dbeta2] = within(() => back(pointwiseInput(dp, w.project), two));
  tf.dispose([two.h, ...two.normalised.kept, dp]);
  const ddepthwise = depthwiseFilter(one.h, dz, w.depthwise.shape);
  const [da, dgamma1, dbeta1] = within(() => {
    const dh = depthwiseInput(dz, w.depthwise);
    dz.dispose();
    return back(dh, one);
  });
  tf.dispose([one.h, ...one.normalised.kept]);
  const dx = ops.add(pointwiseInput(da, w.expand), dy);
  const gradients = [
    ...[ops.reshape(pointwiseFilter(x, da), inputs.of('expandWeight').shape), dgamma1, dbeta1],
    ...[ddepthwise, dgamma2, dbeta2],
    ...[ops.reshape(dproject, inputs.of('projectWeight').shape), dgamma3, dbeta3],
  ];
  // A bias before a batch norm has no effect: its gradient is exactly zero, not rounding noise.
  const [c, expanded] = [x.shape.at(-1) ?? 0, w.depthwise.shape[0]];
  return [dx, ...gradients, ...(biased ? [expanded, expanded, c].map((size) => ops.zeros([size])) : [])];
};

interface InferAttributes {
  epsilon: number;
  activation: BlockActivation;
  statistics: IrbStatistics;
}

const infer: Kernel<InferAttributes> = (inputs, { epsilon, activation, statistics: st }) => {
  const x = inputs.of('x');
  const norm = (
    a: tf.Tensor,
    at: 1 | 2 | 3,
    values: readonly [Float32Array, Float32Array],
    after: Activation,
  ): tf.Tensor =>
    within(() => {
      const [mean, variance] = values.map((value) => tf.tensor1d(value)) as [tf.Tensor, tf.Tensor];
      const [gamma, beta] = [inputs.of(`gamma${String(at)}`), inputs.of(`beta${String(at)}`)];
      return activate(normaliseBy(a, { gamma, beta, mean, variance }, epsilon), after);
    });
  const p = chain(x, [
    (from) => expand(from, inputs),
    (a) => norm(a, 1, [st.mean1, st.variance1], activation),
    (h1) => convolve(h1, inputs),
    (z) => norm(z, 2, [st.mean2, st.variance2], activation),
    (h2) => project(h2, inputs),
    (last) => norm(last, 3, [st.mean3, st.variance3], 'none'),
  ]);
  return ops.add(p, x);
};

export const blockKernels = {
  LvnetInvertedResidual: forward,
  LvnetInvertedResidualBiased: forward,
  LvnetInvertedResidualGradient: gradient,
  LvnetInvertedResidualInfer: infer,
};
