import type { Engine } from '@lvnet/engine';
import type { Network } from './network.js';
import { lengthOf } from './parameters.js';
import { shardGradient, type ShardOptions } from './shard-gradient.js';
import { applyStatistics, copyWeights, type Weights } from './weights.js';

export interface TracedTensor {
  name: string;
  shape: readonly number[];
  values: Float32Array;
}

/** All that one forward and backward pass gives, in PyTorch's layouts, for comparing engines and frameworks. */
export interface NetworkTrace {
  /** By head (main, 1, 2, ... from coarse to fine): [samples, classes, slices, rows, columns]. */
  logits: TracedTensor[];
  /** Total, then one per head name; without the L2 term. */
  losses: { total: number; heads: { name: string; value: number }[] };
  /** Of the total loss, one per trained parameter; without the L2 term. */
  gradients: TracedTensor[];
  /** Running mean and variance of every batch norm after one update with this pass's statistics. */
  statistics: { layer: string; mean: Float32Array; variance: Float32Array }[];
}

/**
 * One pass over samples that form one shard. The weights stay as they are.
 *
 * @param image [samples, slices, rows, columns], normalised as in training
 * @param label one class per voxel
 * @throws Failure('SHAPE_MISMATCH')
 */
export function traceNetwork(
  engine: Engine,
  network: Network,
  weights: Weights,
  image: Float32Array,
  label: Int32Array,
  o: Pick<ShardOptions, 'shape' | 'eta' | 'order'>,
): NetworkTrace {
  const logits: TracedTensor[] = [];
  const [samples, ...size] = o.shape;
  const { classes } = network.config;
  const { losses, gradients, statistics } = shardGradient(engine, network, weights, image, label, {
    ...o,
    onLogits: (name, values) => {
      const shape = [samples, classes, ...size];
      logits.push({ name, shape, values: channelsFirst(values, samples, classes) });
    },
  });
  const updated = copyWeights(network.config, weights);
  applyStatistics(updated, statistics);
  const [total = Number.NaN, ...heads] = losses;
  return {
    logits,
    losses: {
      total,
      heads: network.headNames.map((name, i) => ({ name, value: heads[i] ?? Number.NaN })),
    },
    gradients: cutByName(network, gradients),
    statistics: statisticsByLayer(network, updated),
  };
}

/** [n, voxels, c] to [n, c, voxels], a copy. */
function channelsFirst(values: Float32Array, n: number, c: number): Float32Array {
  const voxels = values.length / (n * c);
  const result = new Float32Array(values.length);
  for (let sample = 0; sample < n; sample++) {
    const start = sample * voxels * c;
    for (let channel = 0; channel < c; channel++) {
      for (let i = 0; i < voxels; i++) {
        result[start + channel * voxels + i] = values[start + i * c + channel] ?? 0;
      }
    }
  }
  return result;
}

function cutByName(network: Network, flat: Float32Array): TracedTensor[] {
  let offset = 0;
  return network.trained.map(({ name, shape }) => {
    const start = offset;
    offset += lengthOf(shape);
    return { name, shape, values: flat.subarray(start, offset) };
  });
}

function statisticsByLayer(network: Network, { byName }: Weights): NetworkTrace['statistics'] {
  const layers = network.state
    .filter((spec) => spec.kind === 'runningMean')
    .map((spec) => spec.name.slice(0, -'.running_mean'.length));
  return layers.map((layer) => ({
    layer,
    mean: byName.get(`${layer}.running_mean`) ?? new Float32Array(),
    variance: byName.get(`${layer}.running_var`) ?? new Float32Array(),
  }));
}
