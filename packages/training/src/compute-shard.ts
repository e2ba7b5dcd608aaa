import { shardGradient } from '@lvnet/networks';
import { cutBlock, type Sample } from '@lvnet/volumes';
import type { CaseCache } from './case-cache.js';
import type { PhaseSeconds } from './facts.js';
import type { TrainingState } from './state.js';
import type { StepperParts } from './stepper-parts.js';
import { writeShard } from './vector-layout.js';

export interface ShardTask {
  step: number;
  shard: number;
  /** None for the last shards of a short last batch, and for a shard that is left out. */
  samples: readonly Sample[];
}

/** Fills one shard's vector; false where it is not finite, and then the vector means nothing. */
export async function computeShard(
  { spec, engine, network, layout, cases }: StepperParts,
  state: TrainingState,
  { shard, samples }: ShardTask,
  out: Float32Array,
  phases: PhaseSeconds,
): Promise<boolean> {
  // Gradients fill their place themselves; what follows them is filled in part.
  (samples.length === 0 ? out : out.subarray(layout.gradientLength)).fill(0);
  if (samples.length === 0) return true;
  const dataMs = performance.now();
  const block = await stackBlocks(samples, spec.slices, cases);
  phases.data += (performance.now() - dataMs) / 1000;
  const { eta, order } = spec.loss;
  const into = out.subarray(0, layout.gradientLength);
  const options = { shape: block.shape, eta, order, into };
  const found = shardGradient(engine, network, state.weights, block.image, block.label, options);
  phases.forward += found.forwardMs / 1000;
  phases.backward += found.backwardMs / 1000;
  const [total = Number.NaN, ...heads] = found.losses;
  const gradientNorm = Math.sqrt(engine.kernels.sumOfSquares(found.gradients));
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(total)) return false;
  if (!engine.kernels.isAllFinite(found.statistics)) return false;
  const summary = { samples: samples.length, finite: true, gradientNorm, total, heads };
  writeShard(layout, shard, summary, found.gradients, found.statistics, out);
  return true;
}

/** The samples of a shard one behind the other: image [n, slices, rows, columns], labels alike. */
async function stackBlocks(samples: readonly Sample[], slices: number, cases: CaseCache) {
  const blocks = [];
  for (const sample of samples) {
    const prepared = await cases.load(sample.case);
    blocks.push({ prepared, ...cutBlock(prepared, sample.start, slices) });
  }
  const { rows, columns } = blocks[0]?.prepared ?? { rows: 0, columns: 0 };
  const voxels = slices * rows * columns;
  const image = new Float32Array(samples.length * voxels);
  const label = new Int32Array(samples.length * voxels);
  for (const [i, block] of blocks.entries()) {
    image.set(block.image, i * voxels);
    label.set(block.label, i * voxels);
  }
  const shape: [number, number, number, number] = [samples.length, slices, rows, columns];
  return { image, label, shape };
}
