import { Failure } from '@lvnet/core';
import {
  enterLayer,
  softmaxCrossEntropy,
  tf,
  valueAndGradients,
  weightedSum,
  type BatchStatistics,
  type Engine,
} from '@lvnet/engine';
import { networkOf } from './definitions.js';
import { checkInput, withChannels } from './input.js';
import type { Network } from './network.js';
import { engineShape, lengthOf } from './parameters.js';
import { singleValueNorm } from './single-value.js';
import { forward } from './tensor-layers.js';
import { valuesOf, type Weights } from './weights.js';

export interface ShardOptions {
  /** [samples, slices, rows, columns] */
  shape: readonly [number, number, number, number];
  /** Weights of the deep-supervision heads. */
  eta: readonly number[];
  order: 'coarse-to-fine' | 'fine-to-coarse';
  /** Where the gradients are wanted; whatever is there is overwritten. */
  into?: Float32Array;
  /** Sees each head's logits [samples, slices, rows, columns, classes], valid during the call only. */
  onLogits?: (head: string, logits: Float32Array) => void;
}

export interface ShardResult {
  /** Of the mean loss over the shard's samples, in the order of `network.trained`. */
  gradients: Float32Array;
  /** Batch statistics as the running ones want them: means, unbiased variances. */
  statistics: Float32Array;
  /** Total, then one per head name. */
  losses: number[];
  forwardMs: number;
  backwardMs: number;
}

/**
 * One forward and backward pass over the samples of a shard, which form one batch for the batch norms.
 *
 * @param image [samples, slices, rows, columns], normalised; label in the same order
 * @throws Failure('SHAPE_MISMATCH' | 'WEIGHTS_MISMATCH')
 */
export function shardGradient(
  engine: Engine,
  network: Network,
  weights: Weights,
  image: Float32Array,
  label: Int32Array,
  o: ShardOptions,
): ShardResult {
  checkShard(network, image, label, o);
  engine.activate();
  const startMs = performance.now();
  let forwardEndMs = startMs;
  const losses: number[] = [];
  const seen = new Map<string, BatchStatistics>();
  const gradients = o.into ?? new Float32Array(network.gradientLength);
  const offsets = offsetsOf(network);
  const classes = label.map((value) => Math.min(value, network.config.classes - 1));
  tf.engine().startScope('shard');
  try {
    const tensors = network.trained.map((spec) => tf.tensor(valuesOf(weights, spec.name), engineShape(spec)));
    const byName = new Map(network.trained.map((spec, i) => [spec.name, tensors[i] as tf.Tensor]));
    const input = tf.tensor(withChannels(network.config, image, o.shape), [
      ...o.shape,
      networkOf(network.config).inputChannels,
    ]);
    const loss = (): tf.Scalar => {
      const logits = forward(network.config, (name) => byName.get(name) as tf.Tensor, input, {
        training: true,
        onStatistics: (layer, statistics) => seen.set(layer, statistics),
      });
      const heads = [logits.main, ...logits.heads];
      if (o.onLogits !== undefined) tell(network.headNames, heads, o.onLogits);
      enterLayer('loss');
      const terms = heads.map((head) => softmaxCrossEntropy(head, classes));
      const total = weightedSum(terms, [1, ...headWeights(o)]);
      losses.push(...[total, ...terms].map((term) => term.dataSync()[0] ?? Number.NaN));
      forwardEndMs = performance.now();
      return total;
    };
    valueAndGradients(loss, tensors, (gradient, i) => {
      gradients.set(gradient, offsets[i]);
    });
  } finally {
    tf.engine().endScope();
  }
  return {
    gradients,
    statistics: flatStatistics(network, seen),
    losses,
    forwardMs: forwardEndMs - startMs,
    backwardMs: performance.now() - forwardEndMs,
  };
}

function tell(
  names: readonly string[],
  heads: readonly tf.Tensor[],
  use: (name: string, logits: Float32Array) => void,
): void {
  for (const [i, name] of names.entries()) use(name, (heads[i] as tf.Tensor).dataSync<'float32'>());
}

function checkShard(
  network: Network,
  image: Float32Array,
  label: Int32Array,
  { shape, eta }: ShardOptions,
): void {
  const [samples, slices, rows, columns] = shape;
  checkInput(network.config, [slices, rows, columns]);
  const refuse = (message: string) => {
    throw new Failure('SHAPE_MISMATCH', { shape, eta }, { message });
  };
  const voxels = samples * slices * rows * columns;
  for (const [name, { length }] of Object.entries({ image, label })) {
    if (length !== voxels) refuse(`The ${name} has ${String(length)} voxels, not ${String(voxels)}.`);
  }
  const heads = network.headNames.length - 1;
  if (eta.length !== heads) {
    refuse(`The network has ${String(heads)} heads to supervise, eta has ${String(eta.length)} weights.`);
  }
  const norm = singleValueNorm(network.config, [slices, rows, columns], samples);
  if (norm !== undefined) throw singleValue(norm);
}

/** Weights of the heads from coarse to fine: the paper's first eta belongs to the coarsest head. */
export function headWeights({ eta, order }: Pick<ShardOptions, 'eta' | 'order'>): number[] {
  return order === 'coarse-to-fine' ? [...eta] : [...eta].reverse();
}

function offsetsOf(network: Network): number[] {
  let offset = 0;
  return network.trained.map((spec) => {
    const start = offset;
    offset += lengthOf(spec.shape);
    return start;
  });
}

function flatStatistics(network: Network, seen: ReadonlyMap<string, BatchStatistics>): Float32Array {
  const flat = new Float32Array(network.statisticsLength);
  let offset = 0;
  for (const spec of network.state) {
    if (spec.kind !== 'runningMean' && spec.kind !== 'runningVariance') continue;
    const statistics = seen.get(spec.name.slice(0, spec.name.lastIndexOf('.')));
    if (statistics === undefined) throw new Error(`no statistics came from ${spec.name}`);
    const unbiased = statistics.count / (statistics.count - 1);
    const values =
      spec.kind === 'runningMean' ? statistics.mean : statistics.variance.map((v) => v * unbiased);
    flat.set(values, offset);
    offset += values.length;
  }
  return flat;
}

function singleValue(norm: string): Failure {
  return new Failure(
    'SHAPE_MISMATCH',
    { name: norm },
    {
      message: `Batch statistics of ${norm} would come from a single value per channel.`,
      hint: 'Use a larger data.patch, fewer network.levels or fewer training.shards.',
    },
  );
}
