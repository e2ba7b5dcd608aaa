import { valuesOf, type Weights } from './weights.js';

export interface Fold {
  /** Name of the convolution, whose result goes nowhere but into the normalisation. */
  convolution: string;
  biased: boolean;
  norm: string;
  epsilon: number;
}

/**
 * What a batch normalisation by running statistics does to the sums of the convolution before it, whose bias
 * included: computed in float64, rounded once.
 *
 * @returns scale [co], shift [co]
 */
export function foldNorm(
  weights: Weights,
  { convolution, biased, norm, epsilon }: Fold,
): { scale: Float32Array; shift: Float32Array } {
  const of = (name: string) => valuesOf(weights, `${norm}.${name}`);
  const [gamma, beta, mean, variance] = [of('weight'), of('bias'), of('running_mean'), of('running_var')];
  const bias = biased ? valuesOf(weights, `${convolution}.bias`) : undefined;
  const scales = Float64Array.from(gamma, (value, c) => value / Math.sqrt((variance[c] ?? 0) + epsilon));
  const shifts = scales.map((scale, c) => (beta[c] ?? 0) + ((bias?.[c] ?? 0) - (mean[c] ?? 0)) * scale);
  return { scale: Float32Array.from(scales), shift: Float32Array.from(shifts) };
}
