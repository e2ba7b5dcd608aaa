import type { NetworkConfig } from './config.js';
import { layersOf, type Layer } from './layers.js';

/** One tensor of the state, with PyTorch's name and layout. */
export interface ParameterSpec {
  name: string;
  shape: readonly number[];
  kind: 'weight' | 'bias' | 'gamma' | 'beta' | 'runningMean' | 'runningVariance' | 'batchCount';
  /** Inputs of one output value of the convolution; 0 where it means nothing. */
  fanIn: number;
}

export const isTrained = ({ kind }: ParameterSpec): boolean =>
  kind === 'weight' || kind === 'bias' || kind === 'gamma' || kind === 'beta';

/** All tensors of the state in their canonical order, which also is the order of the flat gradient. */
export function parametersOf(config: NetworkConfig): ParameterSpec[] {
  return layersOf(config).flatMap(ofLayer);
}

function ofLayer(layer: Layer): ParameterSpec[] {
  if (layer.kind === 'convolution') {
    const { name, ci, co, k, groups, bias } = layer;
    const fanIn = (ci / groups) * k ** 3;
    const weight = {
      name: `${name}.weight`,
      shape: [co, ci / groups, k, k, k],
      kind: 'weight' as const,
      fanIn,
    };
    return bias ? [weight, { name: `${name}.bias`, shape: [co], kind: 'bias', fanIn }] : [weight];
  }
  if (layer.kind !== 'batchNorm') return [];
  const shape = [layer.channels];
  const named = (last: string, kind: ParameterSpec['kind'], of: readonly number[]) => ({
    name: `${layer.name}.${last}`,
    shape: of,
    kind,
    fanIn: 0,
  });
  return [
    named('weight', 'gamma', shape),
    named('bias', 'beta', shape),
    named('running_mean', 'runningMean', shape),
    named('running_var', 'runningVariance', shape),
    named('num_batches_tracked', 'batchCount', []),
  ];
}

export const lengthOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);
