import type { Engine } from '@lvnet/engine';
import { predictVolume } from '@lvnet/evaluation';
import { buildNetwork, predictForeground, type Network, type Weights } from '@lvnet/networks';
import type { NamedTensor } from '@lvnet/safetensors';
import type { PreparedCase } from '@lvnet/volumes';
import { givenWeights } from './given-weights.js';

/** A trained network, ready to be applied. */
export interface Model {
  network: Network;
  weights: Weights;
}

/** @throws Failure('NETWORK_INVALID' | 'WEIGHTS_MISMATCH' | 'WEIGHTS_INVALID') */
export function modelOf(config: unknown, tensors: readonly NamedTensor[]): Model {
  const network = buildNetwork(config);
  return { network, weights: givenWeights(network, tensors, 'The checkpoint') };
}

/**
 * Probability of liver for every voxel of a prepared case: blocks of `slices` slices, neighbours sharing half.
 *
 * @returns [depth, rows, columns] of the prepared case
 * @throws Failure('SHAPE_MISMATCH' | 'CANCELLED')
 */
export function predictCase(
  engine: Engine,
  { network, weights }: Model,
  prepared: Pick<PreparedCase, 'image' | 'depth' | 'rows' | 'columns'>,
  slices: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { image, depth, rows, columns } = prepared;
  return predictVolume({
    forward: (block, shape) => predictForeground(engine, network, weights, block, shape),
    ...{ image, depth, rows, columns, slices, overlapSlices: slices / 2 },
    ...(signal === undefined ? {} : { signal }),
  });
}
