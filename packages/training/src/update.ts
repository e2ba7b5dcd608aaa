import { nextDigest, weightsSha256 } from '@lvnet/checkpoints';
import type { KernelSet } from '@lvnet/kernels';
import { adamUpdate, applyStatistics, type Network } from '@lvnet/networks';
import { learningRateAt, type TrainingSpec } from './spec.js';
import { namedWeights, type TrainingState } from './state.js';
import type { ShardSummary, VectorLayout } from './vector-layout.js';

const keptLosses = 64;

/**
 * The optimiser step: means of the reduced vector, Adam, running statistics, digest. Pure arithmetic in a
 * fixed order, so that every member gets the same bytes. The given state's arrays become the new state's.
 */
export function applyReduced(
  parts: { spec: TrainingSpec; network: Network; layout: VectorLayout; kernels: KernelSet },
  state: TrainingState,
  reduced: Float32Array,
  summaries: readonly ShardSummary[],
  outcome: { sampleIds: readonly string[]; loss: number },
): TrainingState {
  const { spec, network, layout, kernels } = parts;
  const step = state.step + 1;
  const samples = summaries.reduce((sum, shard) => sum + shard.samples, 0);
  const filled = summaries.filter((shard) => shard.samples > 0).length;
  const { gradientLength, statisticsLength } = layout;
  if (scratch.length !== gradientLength) scratch = new Float32Array(gradientLength);
  const gradient = divided(kernels, reduced.subarray(0, gradientLength), samples, scratch);
  const sums = reduced.subarray(gradientLength, gradientLength + statisticsLength);
  const statistics = divided(kernels, sums, filled, new Float32Array(statisticsLength));
  adamUpdate(kernels, state.weights.parameters, gradient, state.optimizer, {
    learningRate: learningRateAt(spec, step),
    weightDecay: spec.optimizer.weightDecay,
    clipNorm: spec.optimizer.clipNorm,
  });
  applyStatistics(state.weights, statistics);
  const sha = weightsSha256(namedWeights(network, state.weights));
  return {
    ...state,
    step,
    weightsSha256: sha,
    digest: nextDigest(state.digest, step, outcome.sampleIds, sha),
    lossHistory: [...state.lossHistory, outcome.loss].slice(-keptLosses),
  };
}

/** The mean gradient's place, from step to step: fresh megabytes cost more than what is done with them. */
let scratch = new Float32Array(0);

function divided(kernels: KernelSet, sums: Float32Array, count: number, means: Float32Array): Float32Array {
  if (Number.isInteger(Math.log2(count))) {
    // By a power of two, quotient and product are the same bits, and a kernel has the product.
    means.set(sums);
    kernels.scaleInto(means, 1 / count);
    return means;
  }
  for (let i = 0; i < sums.length; i++) means[i] = (sums[i] ?? 0) / count;
  return means;
}
