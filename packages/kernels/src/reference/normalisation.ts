import type { Activation, KernelSet, NormParameters } from '../kernel-set.js';

const at = (array: Float32Array | Float64Array, i: number): number => array[i] ?? Number.NaN;

/** ELU with alpha 1. NaN stays NaN. */
export function activate(value: number, activation: Activation): number {
  if (activation === 'none' || value > 0) return value;
  return activation === 'relu' ? Math.max(0, value) : Math.expm1(value);
}

/** The derivative by the value before activation. */
function slope(value: number, activation: Activation): number {
  if (activation === 'none' || value > 0) return 1;
  return activation === 'relu' ? 0 : Math.exp(value);
}

function normalised(x: Float32Array, i: number, ch: number, p: NormParameters): number {
  return (at(x, i) - at(p.mean, ch)) / Math.sqrt(at(p.variance, ch) + p.epsilon);
}

export const normalisation: Pick<
  KernelSet,
  'batchNormStatistics' | 'batchNormForward' | 'batchNormBackward'
> = {
  batchNormStatistics(rows, c, x, mean, variance) {
    const sums = new Float64Array(c);
    const squares = new Float64Array(c);
    for (let i = 0; i < rows * c; i++) sums[i % c] = at(sums, i % c) + at(x, i);
    for (let i = 0; i < rows * c; i++) {
      const deviation = at(x, i) - at(sums, i % c) / rows;
      squares[i % c] = at(squares, i % c) + deviation * deviation;
    }
    for (let ch = 0; ch < c; ch++) {
      mean[ch] = at(sums, ch) / rows;
      variance[ch] = at(squares, ch) / rows;
    }
  },
  batchNormForward(rows, c, x, p, activation, residual, y) {
    for (let i = 0; i < rows * c; i++) {
      const value = normalised(x, i, i % c, p) * at(p.gamma, i % c) + at(p.beta, i % c);
      y[i] = activate(value, activation) + (residual === null ? 0 : at(residual, i));
    }
  },
  batchNormBackward(rows, c, x, p, activation, dy, dx, dgamma, dbeta) {
    const [sumG, sumGx] = [new Float64Array(c), new Float64Array(c)];
    const inner = (i: number) => {
      const value = normalised(x, i, i % c, p) * at(p.gamma, i % c) + at(p.beta, i % c);
      return at(dy, i) * slope(value, activation);
    };
    for (let i = 0; i < rows * c; i++) {
      sumG[i % c] = at(sumG, i % c) + inner(i);
      sumGx[i % c] = at(sumGx, i % c) + inner(i) * normalised(x, i, i % c, p);
    }
    for (let i = 0; i < rows * c; i++) {
      const ch = i % c;
      const scale = at(p.gamma, ch) / Math.sqrt(at(p.variance, ch) + p.epsilon);
      const centred = inner(i) - at(sumG, ch) / rows - (normalised(x, i, ch, p) * at(sumGx, ch)) / rows;
      dx[i] = scale * centred;
    }
    dgamma.set(sumGx);
    dbeta.set(sumG);
  },
};
