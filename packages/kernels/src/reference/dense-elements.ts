import type { DenseKernels, GroupNormParameters, GroupNormShape } from '../dense-kernels.js';
import { rectify } from './rectify.js';

const at = (array: ArrayLike<number>, i: number): number => array[i] ?? Number.NaN;

/** The group, of all samples' groups, to which element i of [n, voxels, c] belongs. */
function groupOf({ voxels, c, groups }: GroupNormShape, i: number): number {
  return Math.floor(i / (voxels * c)) * groups + Math.floor((i % c) / (c / groups));
}

/** The normalised value of element i, before gamma and beta. */
function normalised(
  s: GroupNormShape,
  x: Float32Array,
  p: GroupNormParameters,
  mean: Float32Array,
  variance: Float32Array,
  i: number,
): number {
  const group = groupOf(s, i);
  const value = p.rectified ? rectify(at(x, i)) : at(x, i);
  return (value - at(mean, group)) / Math.sqrt(at(variance, group) + p.epsilon);
}

export const denseElements: Pick<
  DenseKernels,
  | 'groupNormForward'
  | 'groupNormBackward'
  | 'reluForward'
  | 'reluBackward'
  | 'preluForward'
  | 'preluBackward'
  | 'copyChannels'
> = {
  groupNormForward(s, x, p, mean, variance, y) {
    const size = (s.voxels * s.c) / s.groups;
    const [sums, squares] = [new Float64Array(s.n * s.groups), new Float64Array(s.n * s.groups)];
    const valueAt = (i: number) => (p.rectified ? rectify(at(x, i)) : at(x, i));
    for (let i = 0; i < x.length; i++) sums[groupOf(s, i)] = at(sums, groupOf(s, i)) + valueAt(i) / size;
    for (let i = 0; i < x.length; i++) {
      const group = groupOf(s, i);
      squares[group] = at(squares, group) + (valueAt(i) - at(sums, group)) ** 2 / size;
    }
    mean.set(sums);
    variance.set(squares);
    for (let i = 0; i < x.length; i++)
      y[i] = normalised(s, x, p, mean, variance, i) * at(p.gamma, i % s.c) + at(p.beta, i % s.c);
  },
  groupNormBackward(s, x, p, mean, variance, dy, dx, dgamma, dbeta) {
    const size = (s.voxels * s.c) / s.groups;
    const [sumG, sumGx] = [new Float64Array(s.n * s.groups), new Float64Array(s.n * s.groups)];
    const [gammas, betas] = [new Float64Array(s.c), new Float64Array(s.c)];
    for (let i = 0; i < x.length; i++) {
      const [group, ch, hat] = [groupOf(s, i), i % s.c, normalised(s, x, p, mean, variance, i)];
      betas[ch] = at(betas, ch) + at(dy, i);
      gammas[ch] = at(gammas, ch) + at(dy, i) * hat;
      sumG[group] = at(sumG, group) + at(dy, i) * at(p.gamma, ch);
      sumGx[group] = at(sumGx, group) + at(dy, i) * at(p.gamma, ch) * hat;
    }
    for (let i = 0; i < x.length; i++) {
      const group = groupOf(s, i);
      const hat = normalised(s, x, p, mean, variance, i);
      const centred =
        at(dy, i) * at(p.gamma, i % s.c) - at(sumG, group) / size - (hat * at(sumGx, group)) / size;
      const off = p.rectified && !(at(x, i) > 0);
      dx[i] = off ? 0 : centred / Math.sqrt(at(variance, group) + p.epsilon);
    }
    dgamma.set(gammas);
    dbeta.set(betas);
  },
  reluForward(x, y) {
    for (let i = 0; i < x.length; i++) y[i] = rectify(at(x, i));
  },
  reluBackward(y, dy, dx) {
    for (let i = 0; i < y.length; i++) dx[i] = at(y, i) > 0 ? at(dy, i) : 0;
  },
  preluForward(x, slope, y) {
    for (let i = 0; i < x.length; i++) y[i] = at(x, i) > 0 ? at(x, i) : slope * at(x, i);
  },
  preluBackward(x, slope, dy, dx) {
    let total = 0;
    for (let i = 0; i < x.length; i++) {
      const positive = at(x, i) > 0;
      dx[i] = positive ? at(dy, i) : slope * at(dy, i);
      if (!positive) total += at(dy, i) * at(x, i);
    }
    return total;
  },
  copyChannels(rows, count, from, to) {
    for (let row = 0; row < rows; row++)
      for (let ch = 0; ch < count; ch++)
        to.values[row * to.c + to.first + ch] = at(from.values, row * from.c + from.first + ch);
  },
};
