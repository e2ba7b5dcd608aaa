import { weightsSha256, type StepRecord } from '@lvnet/checkpoints';
import { Failure } from '@lvnet/core';
import type { ComputeShard, Retry } from '@lvnet/exchange';
import type { Sample } from '@lvnet/volumes';
import { computeShard } from './compute-shard.js';
import type { StepperParts } from './stepper-parts.js';
import type { PhaseSeconds } from './facts.js';
import { judge } from './guard.js';
import { sampleId } from './sampling.js';
import { epochOf, learningRateAt } from './spec.js';
import { namedWeights, type TrainingState } from './state.js';
import { applyReduced } from './update.js';
import { meanLosses, readSummaries, type ShardSummary } from './vector-layout.js';

type Summed =
  | {
      kind: 'reduced';
      attempt: number;
      sum: Float32Array;
      /** What was wrong with the attempts before, if anything. */
      retry: Retry | null;
      waitSeconds: number;
    }
  | { kind: 'badShard'; shard: number };

/** Sums the shards' vectors: the exchange among the members, or one process on its own. */
export interface Reducer {
  reduce(step: number, weightsSha256: string, compute: ComputeShard): Promise<Summed>;
  /** False where the step has to be reduced again. */
  commit(step: number, attempt: number): Promise<boolean>;
  discard(step: number, attempt: number, shard: number, loss: number): Promise<void>;
  skip(step: number, shard: number): Promise<void>;
}

export interface StepOutcome {
  state: TrainingState;
  record: StepRecord;
  /** total, main, 1, 2, ... */
  losses: Record<string, number>;
  phases: PhaseSeconds;
  seconds: number;
  samples: number;
  /** Members whose results for a shard were wrong: another one found something else. */
  blamed: readonly string[];
}

export interface Stepper {
  /**
   * One optimiser step; the given state's arrays become the new state's.
   *
   * @throws Failure('NON_FINITE' | 'LOSS_SPIKE') naming the samples, where bad ones stop the run
   * @throws whatever the reducer throws
   */
  step(state: TrainingState, reducer: Reducer): Promise<StepOutcome>;
}

export function createStepper(parts: StepperParts): Stepper {
  const { spec, layout, sampler } = parts;
  const memory = watchMemory(parts);
  return {
    async step(state, reducer) {
      const startMs = performance.now();
      if (memory.hasChanged(state)) throw changedInMemory(state);
      const step = state.step + 1;
      const shards = sampler.shards(step);
      const phases: PhaseSeconds = { data: 0, forward: 0, backward: 0, exchange: 0, update: 0 };
      const compute: ComputeShard = (shard, out, skipped) =>
        computeShard(
          parts,
          state,
          { step, shard, samples: skipped ? [] : (shards[shard] ?? []) },
          out,
          phases,
        );
      const { sum, summaries, retry, ...found } = await sumUntilGood(parts, state, reducer, compute, shards);
      phases.exchange = found.waitSeconds;
      const updateMs = performance.now();
      const skipped = retry?.skip ?? [];
      const used = shards
        .filter((_, shard) => !skipped.includes(shard))
        .flat()
        .map(sampleId);
      if (used.length === 0) throw nothingLeft(step);
      const { total, heads } = meanLosses(layout, summaries);
      const kernels = parts.engine.kernels;
      const outcome = { sampleIds: used, loss: total };
      const next = applyReduced({ ...parts, kernels }, state, sum, summaries, outcome);
      memory.keep(next);
      phases.update = (performance.now() - updateMs) / 1000;
      const left = skipped.flatMap((shard) => shards[shard] ?? []).map(sampleId);
      const record: StepRecord = {
        step,
        epoch: epochOf(spec, step),
        loss: total,
        heads,
        lr: learningRateAt(spec, step),
        digest: next.digest,
        weights: next.weightsSha256,
        samples: used,
        ...(left.length === 0 ? {} : { skipped: left }),
        seconds: { ...phases },
      };
      return {
        state: next,
        record,
        losses: { total, ...heads },
        phases,
        seconds: (performance.now() - startMs) / 1000,
        samples: used.length,
        blamed: blamedBy(retry),
      };
    },
  };
}

/**
 * Memory may fail between two steps: what comes of such weights must not reach the others. A checksum of 53 bits sees
 * it, for less than the SHA-256 costs, which judges states that come from elsewhere.
 */
function watchMemory({ engine, network }: StepperParts) {
  const checksumOf = ({ weights }: TrainingState): string =>
    [weights.parameters, weights.statistics].map((values) => engine.kernels.checksum(values)).join();
  let kept: { state: TrainingState; checksum: string } | undefined;
  return {
    keep(state: TrainingState): void {
      kept = { state, checksum: checksumOf(state) };
    },
    hasChanged(state: TrainingState): boolean {
      if (kept?.state === state) return checksumOf(state) !== kept.checksum;
      return weightsSha256(namedWeights(network, state.weights)) !== state.weightsSha256;
    },
  };
}

const changedInMemory = ({ step }: TrainingState): Failure =>
  new Failure(
    'EXCHANGE_MISMATCH',
    { step },
    {
      message: `The weights after step ${String(step)} have changed in this worker's memory.`,
      hint: 'Test the memory of this machine.',
    },
  );

interface GoodSum {
  sum: Float32Array;
  summaries: readonly ShardSummary[];
  retry: Retry | null;
  waitSeconds: number;
}

/** Attempts until a sum is good and committed. What is wrong with one is judged by all members alike. */
async function sumUntilGood(
  { spec, layout }: StepperParts,
  state: TrainingState,
  reducer: Reducer,
  compute: ComputeShard,
  shards: readonly (readonly Sample[])[],
): Promise<GoodSum> {
  const step = state.step + 1;
  let waitSeconds = 0;
  const leaveOut = async (shard: number, failure: Failure) => {
    if (spec.onBadSample === 'stop') throw failure;
    await reducer.skip(step, shard);
  };
  for (;;) {
    const found = await reducer.reduce(step, state.weightsSha256, compute);
    if (found.kind === 'badShard') {
      await leaveOut(found.shard, notFinite(step, found.shard, shards[found.shard] ?? []));
      continue;
    }
    waitSeconds += found.waitSeconds;
    const { sum, retry, attempt } = found;
    const summaries = readSummaries(layout, sum);
    const judgement = judge(summaries, state.lossHistory, retry, attempt);
    if (judgement.kind === 'good') {
      if (await reducer.commit(step, attempt)) return { sum, summaries, retry, waitSeconds };
    } else if (judgement.kind === 'again') {
      await reducer.discard(step, attempt, judgement.shard, judgement.loss);
    } else {
      const samples = shards[judgement.shard] ?? [];
      await leaveOut(judgement.shard, spike(step, judgement.shard, judgement.loss, samples));
    }
  }
}

/** Whoever was barred from a shard that came out well elsewhere. */
function blamedBy(retry: Retry | null): readonly string[] {
  const barred = retry?.barred.filter((item) => !retry.skip.includes(item.shard)) ?? [];
  return [...new Set(barred.map((item) => item.worker))];
}

const where = (step: number, shard: number, samples: readonly Sample[]): string =>
  `Step ${String(step)}: shard ${String(shard)} (samples ${samples.map(sampleId).join(', ')})`;

function notFinite(step: number, shard: number, samples: readonly Sample[]): Failure {
  return new Failure(
    'NON_FINITE',
    { step, shard, samples: samples.map(sampleId) },
    {
      message: `${where(step, shard, samples)} gave a loss or gradient that is not finite, wherever it was computed.`,
      hint: 'Lower optimizer.learningRate or set optimizer.clipNorm; if it is always this sample, check its volume, or leave it out with training.onBadSample: skip.',
    },
  );
}

function spike(step: number, shard: number, loss: number, samples: readonly Sample[]): Failure {
  return new Failure(
    'LOSS_SPIKE',
    { step, shard, loss, samples: samples.map(sampleId) },
    {
      message: `${where(step, shard, samples)} has a loss of ${loss.toPrecision(4)}, far above all before it, wherever it was computed.`,
      hint: 'Lower optimizer.learningRate or set optimizer.clipNorm; if it is always this sample, check its label, or leave it out with training.onBadSample: skip.',
    },
  );
}

function nothingLeft(step: number): Failure {
  return new Failure(
    'NON_FINITE',
    { step },
    {
      message: `Step ${String(step)}: all samples of the batch are bad.`,
      hint: 'Check the scans, or lower optimizer.learningRate.',
    },
  );
}
