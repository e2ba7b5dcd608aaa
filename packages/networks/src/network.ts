import { Failure, nearestName } from '@lvnet/core';
import { networkConfigSchema, type NetworkConfig } from './config.js';
import { networkNames, networkOf } from './definitions.js';
import { isTrained, lengthOf, type ParameterSpec } from './parameters.js';
import { parametersOf } from './plan.js';

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

/** @throws Failure('NETWORK_INVALID') with the nearest name for an unknown network or option */
export function buildNetwork(config: unknown): Network {
  const resolved = parseNetworkConfig(config);
  const state = parametersOf(resolved);
  const trained = state.filter(isTrained);
  const total = (specs: readonly ParameterSpec[]) =>
    specs.reduce((sum, spec) => sum + lengthOf(spec.shape), 0);
  const running = state.filter((spec) => spec.kind === 'runningMean' || spec.kind === 'runningVariance');
  const heads = Array.from({ length: networkOf(resolved).headCount }, (_, i) => String(i + 1));
  return {
    config: resolved,
    state,
    trained,
    gradientLength: total(trained),
    statisticsLength: total(running),
    headNames: ['main', ...heads],
  };
}

/** @throws Failure('NETWORK_INVALID') */
export function parseNetworkConfig(config: unknown): NetworkConfig {
  const schema = schemaOf(config);
  const result = schema.safeParse(config);
  if (result.success) return checked(result.data);
  const options = Object.keys(schema.shape);
  const problems = result.error.issues.map((issue) => {
    if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.')}: ${issue.message}`;
    return issue.keys
      .map((key) => {
        const nearest = nearestName(key, options);
        return `${key} is no option${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
      })
      .join('; ');
  });
  throw invalid({ config, problems }, problems, `Options: ${options.join(', ')}.`);
}

function invalid(details: Record<string, unknown>, problems: readonly string[], hint: string): Failure {
  const message = `The network is not valid: ${problems.join('; ')}`;
  return new Failure('NETWORK_INVALID', details, { message, hint });
}

type NetworkSchema = (typeof networkConfigSchema.options)[number];

/** The options of the network that is named, or of LV-Net. @throws Failure('NETWORK_INVALID') */
function schemaOf(config: unknown): NetworkSchema {
  const named = (config as { name?: unknown } | null | undefined)?.name ?? 'lv-net';
  const found = networkConfigSchema.options.find((option) => option.shape.name.safeParse(named).success);
  if (found !== undefined) return found;
  const nearest = typeof named === 'string' ? nearestName(named, networkNames) : undefined;
  const advice = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  const problem = `name: there is no network ${JSON.stringify(named)}${advice}`;
  throw invalid({ config, nearest: nearest ?? null }, [problem], `Networks: ${networkNames.join(', ')}.`);
}

/** What no schema says: groups must divide channels. @throws Failure('NETWORK_INVALID') */
function checked(config: NetworkConfig): NetworkConfig {
  const problem = contradictionOf(config);
  if (problem === undefined) return config;
  throw invalid({ config, problems: [problem] }, [problem], 'Change one of them.');
}

/** Options that are each valid but do not go together. */
export function contradictionOf(config: NetworkConfig): string | undefined {
  if (config.name !== '3d-u-net' || config.baseWidth % config.groups === 0) return undefined;
  return `baseWidth (${String(config.baseWidth)}) must divide by groups (${String(config.groups)})`;
}
