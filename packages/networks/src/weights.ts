import { counterRandom, Failure, invariant } from '@lvnet/core';
import type { NetworkConfig } from './config.js';
import { isTrained, lengthOf, type ParameterSpec } from './parameters.js';
import { parametersOf } from './plan.js';

/**
 * The state of a network: one flat array of trained parameters, one of running statistics, and views of
 * both by name.
 */
export interface Weights {
  parameters: Float32Array;
  statistics: Float32Array;
  /** Training steps seen by the batch norms: `num_batches_tracked`. */
  batches: number;
  byName: ReadonlyMap<string, Float32Array>;
}

/** Zeroed weights with room for every tensor. */
export function emptyWeights(config: NetworkConfig): Weights {
  const specs = parametersOf(config);
  const room = (wanted: (spec: ParameterSpec) => boolean) =>
    new Float32Array(specs.filter(wanted).reduce((sum, spec) => sum + lengthOf(spec.shape), 0));
  return viewsOf(specs, room(isTrained), room(isStatistic), 0);
}

/**
 * PyTorch's default initialisers, drawn from a generator keyed by seed and name: convolution weights and
 * biases uniform in +-1/sqrt(fan in), norms 1 and 0, running statistics 0 and 1, slopes of rectifiers 1/4.
 */
export function initialWeights(config: NetworkConfig, seed: number): Weights {
  const weights = emptyWeights(config);
  for (const spec of parametersOf(config)) {
    const values = weights.byName.get(spec.name);
    if (spec.kind === 'gamma' || spec.kind === 'runningVariance') values?.fill(1);
    if (spec.kind === 'slope') values?.fill(0.25);
    if (values === undefined || spec.fanIn === 0) continue;
    counterRandom(seed, spec.name).fill(values, 1 / Math.sqrt(spec.fanIn));
  }
  return weights;
}

/** Weights whose arrays are copies, made by `copy`. */
export function copyWeights(
  config: NetworkConfig,
  weights: Weights,
  copy: (values: Float32Array) => Float32Array = (values) => values.slice(),
): Weights {
  return viewsOf(parametersOf(config), copy(weights.parameters), copy(weights.statistics), weights.batches);
}

/** @throws Failure('WEIGHTS_MISMATCH') */
export function valuesOf(weights: Weights, name: string): Float32Array {
  const values = weights.byName.get(name);
  if (values !== undefined) return values;
  throw new Failure('WEIGHTS_MISMATCH', { name }, { message: `The weights lack ${name}.` });
}

const isStatistic = ({ kind }: ParameterSpec): boolean =>
  kind === 'runningMean' || kind === 'runningVariance';

function viewsOf(
  specs: readonly ParameterSpec[],
  parameters: Float32Array,
  statistics: Float32Array,
  batches: number,
): Weights {
  const byName = new Map<string, Float32Array>();
  let [trained, running] = [0, 0];
  for (const spec of specs) {
    const length = lengthOf(spec.shape);
    if (isTrained(spec)) byName.set(spec.name, parameters.subarray(trained, (trained += length)));
    else if (isStatistic(spec)) byName.set(spec.name, statistics.subarray(running, (running += length)));
  }
  invariant(trained === parameters.length && running === statistics.length, 'views cover the arrays');
  return { parameters, statistics, batches, byName };
}

/** Exponential mean of the batch statistics, as PyTorch keeps it (momentum 0.1, unbiased variance). */
export function applyStatistics(weights: Weights, mean: Float32Array, momentum = 0.1): void {
  const { fround } = Math;
  const [old, fresh] = [fround(1 - momentum), fround(momentum)];
  const { statistics } = weights;
  for (let i = 0; i < statistics.length; i++) {
    statistics[i] = fround(old * (statistics[i] ?? 0)) + fround(fresh * (mean[i] ?? 0));
  }
  weights.batches++;
}
