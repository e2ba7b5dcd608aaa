import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import { checkInput } from './input.js';
import { isTrained, lengthOf, parameterCount, type ParameterSpec } from './parameters.js';
import { planOf, type Plan, type PlannedLayer } from './plan.js';

export interface LayerDescription {
  name: string;
  kind: PlannedLayer['kind'];
  /** [channels, depth, rows, columns] */
  output: [number, number, number, number];
  parameters: number;
  macs: number;
  /** By the counting rule behind the paper's figures. */
  flops: number;
}

export interface NetworkDescription {
  name: string;
  config: NetworkConfig;
  input: [number, number, number];
  parameters: number;
  /** The paper's "GFLOPs": a count that takes a multiply-add as one, batch norms as four per element. */
  gflops: number;
  /** True multiply-accumulates of all convolutions. */
  macs: number;
  storageMiB: number;
  stateTensors: number;
  batchNorms: number;
  batchNormChannels: number;
  layers: LayerDescription[];
}

export type InputSize = Triple;

/**
 * What a network costs, without building it.
 *
 * @param input [slices, rows, columns]; default: as the paper measured it
 * @throws Failure('SHAPE_MISMATCH') where a size cannot be halved often enough
 */
export function describe(config: NetworkConfig, input?: InputSize): NetworkDescription {
  const size = input ?? networkOf(config).paperInput;
  checkInput(config, size);
  const plan = planOf(config, size);
  const running = plan.state.filter((spec) => spec.kind === 'runningMean');
  const parameters = parameterCount(plan);
  const batchNormChannels = sumOf(running, (spec) => lengthOf(spec.shape));
  const bytes = 4 * parameters + 8 * batchNormChannels + 8 * running.length + 185 * plan.state.length;
  return {
    name: config.name,
    config,
    input: [...size],
    parameters,
    gflops: round(sumOf(plan.layers, (layer) => layer.flops) / 1e9, 4),
    macs: sumOf(plan.layers, (layer) => layer.macs),
    storageMiB: round(bytes / 2 ** 20, 2),
    stateTensors: plan.state.length,
    batchNorms: running.length,
    batchNormChannels,
    layers: describeLayers(plan),
  };
}

/** A layer that is called again shows its parameters the first time. */
function describeLayers({ layers, state }: Plan): LayerDescription[] {
  const own = parametersByLayer(state);
  return layers.map(({ name, kind, channels, size, macs, flops }) => {
    const parameters = own.get(name) ?? 0;
    own.delete(name);
    return { name, kind, output: [channels, ...size], parameters, macs, flops };
  });
}

function parametersByLayer(state: readonly ParameterSpec[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name, shape } of state.filter(isTrained)) {
    const layer = name.slice(0, name.lastIndexOf('.'));
    counts.set(layer, (counts.get(layer) ?? 0) + lengthOf(shape));
  }
  return counts;
}

const sumOf = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((sum, item) => sum + value(item), 0);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
