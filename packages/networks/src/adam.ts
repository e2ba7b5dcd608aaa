import type { KernelSet } from '@lvnet/kernels';
import type { Network } from './network.js';
import { lengthOf } from './parameters.js';

/** Moments of every trained parameter, flat in the network's order. */
export interface AdamState {
  m: Float32Array;
  v: Float32Array;
  /** Updates done. */
  step: number;
}

export interface AdamOptions {
  learningRate: number;
  /** Coupled: added to the gradient before the moments, as PyTorch's Adam does. */
  weightDecay: number;
  /** The given gradient is the sum over so many samples, of which Adam takes the mean; 1 where it is not said. */
  samples?: number;
  clipNorm?: number | undefined;
}

export function initialAdam(network: Network): AdamState {
  const { gradientLength } = network;
  return { m: new Float32Array(gradientLength), v: new Float32Array(gradientLength), step: 0 };
}

/** Updates weights and moments in place (betas 0.9 and 0.999, epsilon 1e-8); the gradient stays as it is. */
export function adamUpdate(
  kernels: KernelSet,
  parameters: Float32Array,
  gradient: Float32Array,
  state: AdamState,
  o: AdamOptions,
): void {
  const { samples = 1, clipNorm } = o;
  state.step++;
  kernels.adamStep({
    weights: parameters,
    ...(clipNorm === undefined
      ? { gradient, samples }
      : { gradient: clipped(gradient, samples, clipNorm), samples: 1 }),
    m: state.m,
    v: state.v,
    from: 0,
    to: gradient.length,
    learningRate: o.learningRate,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: o.weightDecay,
    step: state.step,
  });
}

/** The mean gradient, scaled to the norm where it is longer; the norm is summed in float64, in order. */
function clipped(gradient: Float32Array, samples: number, norm: number): Float32Array {
  const mean = gradient.map((value) => value / samples);
  let sum = 0;
  for (const value of mean) sum += value * value;
  const length = Math.sqrt(sum);
  if (length <= norm) return mean;
  const factor = Math.fround(norm / length);
  for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) * factor;
  return mean;
}

/** The moments by parameter name, as views. */
export function adamByName(
  network: Network,
  state: AdamState,
): { name: string; shape: readonly number[]; m: Float32Array; v: Float32Array }[] {
  let offset = 0;
  return network.trained.map(({ name, shape }) => {
    const [from, to] = [offset, (offset += lengthOf(shape))];
    return { name, shape, m: state.m.subarray(from, to), v: state.v.subarray(from, to) };
  });
}
