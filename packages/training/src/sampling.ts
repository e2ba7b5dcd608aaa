import { invariant } from '@lvnet/core';
import { epochSamples, stepSamples, type Sample } from '@lvnet/volumes';
import { epochOf, type TrainingSpec } from './spec.js';

/** Which blocks each shard of a step trains on: a function of (seed, step) only. */
export interface StepSampler {
  /** Shard m's samples of step s (1-based); the last shards of a short last batch are empty. */
  shards(step: number): readonly (readonly Sample[])[];
}

export function createStepSampler(spec: TrainingSpec): StepSampler {
  const cases = spec.cases.map((item) => ({ id: item.case, depth: item.depth, liver: item.liver }));
  let cached: { epoch: number; samples: readonly Sample[] } | undefined;
  const ofEpoch = (epoch: number): readonly Sample[] => {
    if (cached?.epoch !== epoch) {
      const { seed, slices, blocks } = spec;
      cached = { epoch, samples: epochSamples({ seed, epoch, cases, slices, blocks }) };
    }
    return cached.samples;
  };
  return {
    shards(step) {
      const epoch = epochOf(spec, step);
      const position = step - 1 - (epoch - 1) * spec.stepsPerEpoch;
      return cutIntoShards(stepSamples(ofEpoch(epoch), spec.batch, position), spec);
    },
  };
}

export function cutIntoShards(
  samples: readonly Sample[],
  { batch, shards }: { batch: number; shards: number },
): readonly (readonly Sample[])[] {
  invariant(batch % shards === 0, 'shards divide the batch');
  const perShard = batch / shards;
  return Array.from({ length: shards }, (_, m) => samples.slice(m * perShard, (m + 1) * perShard));
}

/** A sample's name in logs and in the digest chain. */
export const sampleId = (sample: Sample): string => `${sample.case}:${String(sample.start)}`;
