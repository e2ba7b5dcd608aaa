import type {
  ConvShape,
  IrbOptions,
  IrbShape,
  IrbStatistics,
  IrbWeights,
  KernelSet,
  NormParameters,
} from '../kernel-set.js';
import { convolution } from './convolution.js';
import { normalisation } from './normalisation.js';

const rowsOf = (s: IrbShape): number => s.n * s.d * s.h * s.w;

function pointwise(s: IrbShape, ci: number, co: number): ConvShape {
  const { n, d, h, w } = s;
  return { n, d, h, w, ci, co, k: 1 };
}

const depthwise = ({ n, d, h, w, k, expanded }: IrbShape) => ({ n, d, h, w, k, c: expanded });

function norms(p: IrbWeights, st: IrbStatistics, { epsilon }: IrbOptions) {
  const one: NormParameters = {
    mean: st.mean1,
    variance: st.variance1,
    gamma: p.gamma1,
    beta: p.beta1,
    epsilon,
  };
  const two: NormParameters = {
    mean: st.mean2,
    variance: st.variance2,
    gamma: p.gamma2,
    beta: p.beta2,
    epsilon,
  };
  const three: NormParameters = {
    mean: st.mean3,
    variance: st.variance3,
    gamma: p.gamma3,
    beta: p.beta3,
    epsilon,
  };
  return { one, two, three };
}

/** In the precision of the given arrays: on float64 arrays the plain loops are float64 throughout. */
const roomLike = (x: Float32Array, length: number): Float32Array =>
  new (x.constructor as Float32ArrayConstructor)(length);

interface Steps {
  a: Float32Array;
  h1: Float32Array;
  z: Float32Array;
  h2: Float32Array;
  p: Float32Array;
}

/** The block step by step; statistics are measured where asked for. */
function runBlock(
  s: IrbShape,
  x: Float32Array,
  w: IrbWeights,
  o: IrbOptions,
  st: IrbStatistics,
  measure: boolean,
  y: Float32Array,
): Steps {
  const rows = rowsOf(s);
  const { c, expanded } = s;
  const steps: Steps = {
    a: roomLike(x, rows * expanded),
    h1: roomLike(x, rows * expanded),
    z: roomLike(x, rows * expanded),
    h2: roomLike(x, rows * expanded),
    p: roomLike(x, rows * c),
  };
  const { one, two, three } = norms(w, st, o);
  convolution.conv3dForward(pointwise(s, c, expanded), x, w.expandWeight, w.expandBias, steps.a);
  if (measure) normalisation.batchNormStatistics(rows, expanded, steps.a, st.mean1, st.variance1);
  normalisation.batchNormForward(rows, expanded, steps.a, one, o.activation, null, steps.h1);
  convolution.depthwise3dForward(depthwise(s), steps.h1, w.depthwiseWeight, w.depthwiseBias, steps.z);
  if (measure) normalisation.batchNormStatistics(rows, expanded, steps.z, st.mean2, st.variance2);
  normalisation.batchNormForward(rows, expanded, steps.z, two, o.activation, null, steps.h2);
  convolution.conv3dForward(pointwise(s, expanded, c), steps.h2, w.projectWeight, w.projectBias, steps.p);
  if (measure) normalisation.batchNormStatistics(rows, c, steps.p, st.mean3, st.variance3);
  normalisation.batchNormForward(rows, c, steps.p, three, 'none', x, y);
  return steps;
}

export const block: Pick<KernelSet, 'irbSavedLength' | 'irbForward' | 'irbBackward' | 'irbInfer'> = {
  irbSavedLength: () => 1, // the reference computes everything again
  irbForward(s, x, p, o, y, statistics) {
    runBlock(s, x, p, o, statistics, true, y);
  },
  irbInfer(s, x, p, o, statistics, y) {
    runBlock(s, x, p, o, statistics, false, y);
  },
  irbBackward(s, x, w, o, st, _saved, dy, dx, g) {
    const rows = rowsOf(s);
    const { c, expanded } = s;
    const steps = runBlock(s, x, w, o, st, false, roomLike(x, rows * c));
    const { one, two, three } = norms(w, st, o);
    const dp = roomLike(x, rows * c);
    const [dh, dz, da] = [0, 1, 2].map(() => roomLike(x, rows * expanded)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    normalisation.batchNormBackward(rows, c, steps.p, three, 'none', dy, dp, g.gamma3, g.beta3);
    convolution.conv3dBackwardFilter(pointwise(s, expanded, c), steps.h2, dp, g.projectWeight, g.projectBias);
    convolution.conv3dBackwardInput(pointwise(s, expanded, c), dp, w.projectWeight, dh);
    normalisation.batchNormBackward(rows, expanded, steps.z, two, o.activation, dh, dz, g.gamma2, g.beta2);
    convolution.depthwise3dBackwardFilter(depthwise(s), steps.h1, dz, g.depthwiseWeight, g.depthwiseBias);
    convolution.depthwise3dBackwardInput(depthwise(s), dz, w.depthwiseWeight, dh);
    normalisation.batchNormBackward(rows, expanded, steps.a, one, o.activation, dh, da, g.gamma1, g.beta1);
    convolution.conv3dBackwardFilter(pointwise(s, c, expanded), x, da, g.expandWeight, g.expandBias);
    convolution.conv3dBackwardInput(pointwise(s, c, expanded), da, w.expandWeight, dx);
    for (let i = 0; i < dx.length; i++) dx[i] = (dx[i] ?? 0) + (dy[i] ?? 0);
    // A bias before a batch norm has no effect: its gradient is exactly zero, not rounding noise.
    for (const bias of [g.expandBias, g.depthwiseBias, g.projectBias]) bias?.fill(0);
  },
};
