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
  const gradient = reduced.subarray(0, gradientLength);
  const sums = reduced.subarray(gradientLength, gradientLength + statisticsLength);
  adamUpdate(kernels, state.weights.parameters, gradient, state.optimizer, {
    learningRate: learningRateAt(spec, step),
    weightDecay: spec.optimizer.weightDecay,
    samples,
    clipNorm: spec.optimizer.clipNorm,
  });
  applyStatistics(
    state.weights,
    sums.map((sum) => sum / filled),
  );
  const sha = weightsSha256(namedWeights(network, state.weights));
  return {
    ...state,
    step,
    weightsSha256: sha,
    digest: nextDigest(state.digest, step, outcome.sampleIds, sha),
    lossHistory: [...state.lossHistory, outcome.loss].slice(-keptLosses),
  };
}
