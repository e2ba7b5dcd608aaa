import type { StepRecord } from '@lvnet/checkpoints';
import { Failure } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import { shardGradient, type Network } from '@lvnet/networks';
import { cutBlock, type Sample } from '@lvnet/volumes';
import type { CaseCache } from './case-cache.js';
import type { PhaseSeconds } from './facts.js';
import { sampleId, type StepSampler } from './sampling.js';
import { epochOf, learningRateAt, type TrainingSpec } from './spec.js';
import type { TrainingState } from './state.js';
import { applyReduced } from './update.js';
import {
  meanLosses,
  readSummaries,
  writeShard,
  type ShardSummary,
  type VectorLayout,
} from './vector-layout.js';

/** Sums the shards' vectors: the exchange among the members, or one process on its own. */
export interface Reducer {
  reduce(
    step: number,
    weightsSha256: string,
    compute: (shard: number, out: Float32Array) => Promise<void>,
  ): Promise<{ sum: Float32Array; computed: readonly number[]; waitSeconds: number }>;
}

export interface StepOutcome {
  state: TrainingState;
  record: StepRecord;
  /** total, main, 1, 2, ... */
  losses: Record<string, number>;
  phases: PhaseSeconds;
  seconds: number;
  samples: number;
  shardsComputed: number;
}

export interface StepperParts {
  spec: TrainingSpec;
  engine: Engine;
  network: Network;
  layout: VectorLayout;
  sampler: StepSampler;
  cases: CaseCache;
}

export interface Stepper {
  /**
   * One optimiser step; the given state's arrays become the new state's.
   *
   * @throws Failure('NON_FINITE') naming shard and samples, and whatever the reducer throws
   */
  step(state: TrainingState, reducer: Reducer): Promise<StepOutcome>;
}

export function createStepper(parts: StepperParts): Stepper {
  const { spec, layout, sampler } = parts;
  return {
    async step(state, reducer) {
      const startMs = performance.now();
      const step = state.step + 1;
      const shards = sampler.shards(step);
      const phases: PhaseSeconds = { data: 0, forward: 0, backward: 0, exchange: 0, update: 0 };
      const reduced = await reducer.reduce(step, state.weightsSha256, (shard, out) =>
        computeShard(parts, state, shard, shards[shard] ?? [], out, phases),
      );
      phases.exchange = reduced.waitSeconds;
      const updateMs = performance.now();
      const summaries = readSummaries(layout, reduced.sum);
      refuseNonFinite(step, summaries, shards);
      const sampleIds = shards.flat().map(sampleId);
      const { total, heads } = meanLosses(layout, summaries);
      const kernels = parts.engine.kernels;
      const next = applyReduced({ ...parts, kernels }, state, reduced.sum, summaries, {
        sampleIds,
        loss: total,
      });
      phases.update = (performance.now() - updateMs) / 1000;
      const record: StepRecord = {
        step,
        epoch: epochOf(spec, step),
        loss: total,
        heads,
        lr: learningRateAt(spec, step),
        digest: next.digest,
        samples: sampleIds,
        seconds: { ...phases },
      };
      return {
        state: next,
        record,
        losses: { total, ...heads },
        phases,
        seconds: (performance.now() - startMs) / 1000,
        samples: sampleIds.length,
        shardsComputed: reduced.computed.length,
      };
    },
  };
}

async function computeShard(
  { spec, engine, network, layout, cases }: StepperParts,
  state: TrainingState,
  shard: number,
  samples: readonly Sample[],
  out: Float32Array,
  phases: PhaseSeconds,
): Promise<void> {
  out.fill(0);
  if (samples.length === 0) return;
  const dataMs = performance.now();
  const block = await stackBlocks(samples, spec.slices, cases);
  phases.data += (performance.now() - dataMs) / 1000;
  const { eta, order } = spec.loss;
  const options = { shape: block.shape, eta, order };
  const found = shardGradient(engine, network, state.weights, block.image, block.label, options);
  phases.forward += found.forwardMs / 1000;
  phases.backward += found.backwardMs / 1000;
  const [total = Number.NaN, ...heads] = found.losses;
  const gradientNorm = normOf(found.gradients);
  const finite = Number.isFinite(gradientNorm) && Number.isFinite(total);
  const summary: ShardSummary = { samples: samples.length, finite, gradientNorm, total, heads };
  if (finite) {
    writeShard(layout, shard, summary, found.gradients, found.statistics, out);
    return;
  }
  // A shard that is not finite sends its flag alone, so that everybody can still read who it was.
  const silent = { ...summary, gradientNorm: 0, total: 0, heads: heads.map(() => 0) };
  writeShard(layout, shard, silent, new Float32Array(), new Float32Array(), out);
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

/** In float64 and index order, so the same on every machine. */
function normOf(gradients: Float32Array): number {
  let sum = 0;
  for (const value of gradients) sum += value * value;
  return Math.sqrt(sum);
}

function refuseNonFinite(
  step: number,
  summaries: readonly ShardSummary[],
  shards: readonly (readonly Sample[])[],
): void {
  const shard = summaries.findIndex((summary) => summary.samples > 0 && !summary.finite);
  if (shard < 0) return;
  const samples = (shards[shard] ?? []).map(sampleId);
  throw new Failure(
    'NON_FINITE',
    { step, shard, samples },
    {
      message: `Step ${String(step)}: shard ${String(shard)} (samples ${samples.join(', ')}) gave a loss or gradient that is not finite.`,
      hint: 'Lower optimizer.learningRate or set optimizer.clipNorm; if it is always this sample, check its volume.',
    },
  );
}
