import { Failure, nearestName } from '@lvnet/core';
import { networkConfigSchema, type NetworkConfig } from './config.js';
import { isTrained, lengthOf, parametersOf, type ParameterSpec } from './parameters.js';

/** A network as data: its configuration and the table of its state. */
export interface Network {
  config: NetworkConfig;
  /** Every tensor of the state in canonical order. */
  state: readonly ParameterSpec[];
  /** The trained ones of them: the order of the flat gradient. */
  trained: readonly ParameterSpec[];
  gradientLength: number;
  /** Running statistics in order; each layer's mean and variance lie one behind the other. */
  statisticsLength: number;
  /** `main`, then `1`, `2`, ... from coarse to fine. */
  headNames: readonly string[];
}

/** @throws Failure('NETWORK_INVALID') with the nearest name for an unknown option */
export function buildNetwork(config: unknown): Network {
  const resolved = parseNetworkConfig(config);
  const state = parametersOf(resolved);
  const trained = state.filter(isTrained);
  const total = (specs: readonly ParameterSpec[]) =>
    specs.reduce((sum, spec) => sum + lengthOf(spec.shape), 0);
  const running = state.filter((spec) => spec.kind === 'runningMean' || spec.kind === 'runningVariance');
  const heads = Array.from({ length: resolved.levels - 1 }, (_, i) => String(i + 1));
  return {
    config: resolved,
    state,
    trained,
    gradientLength: total(trained),
    statisticsLength: total(running),
    headNames: ['main', ...heads],
  };
}

export function parseNetworkConfig(config: unknown): NetworkConfig {
  const result = networkConfigSchema.safeParse(config);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.')}: ${issue.message}`;
    return issue.keys
      .map((key) => {
        const nearest = nearestName(key, Object.keys(networkConfigSchema.shape));
        return `${key} is no option${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
      })
      .join('; ');
  });
  throw new Failure(
    'NETWORK_INVALID',
    { config, problems },
    {
      message: `The network is not valid: ${problems.join('; ')}`,
      hint: `Options: ${Object.keys(networkConfigSchema.shape).join(', ')}.`,
    },
  );
}
