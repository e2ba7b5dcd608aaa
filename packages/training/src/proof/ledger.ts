import type { StepRecord } from '@lvnet/checkpoints';
import { createStepSampler, sampleId } from '../sampling.js';
import { epochOf, type TrainingSpec } from '../spec.js';

/** What became of an epoch's samples. Names are sample ids, `case:first slice`. */
export interface EpochLedger {
  epoch: number;
  /** All its steps are done. */
  finished: boolean;
  /** Samples that its steps so far had to use, and how many of them were used exactly once. */
  expected: number;
  once: number;
  missing: string[];
  doubled: string[];
  /** In the records, but no sample of this epoch's steps. */
  foreign: string[];
  /** Left out on purpose, because no member could use them. */
  skipped: string[];
}

/**
 * Every sample of every epoch must have been used, or left out on purpose, exactly once.
 *
 * @param o.records one a step
 * @param o.after the step that the run starts after: 0, or that of a fork, whose first epoch is then the rest
 *   of its parent's
 */
export function checkLedger(
  spec: TrainingSpec,
  o: { records: readonly StepRecord[]; after: number; lastStep: number },
): EpochLedger[] {
  const sampler = createStepSampler(spec);
  const ledgers: EpochLedger[] = [];
  for (let first = o.after + 1; first <= o.lastStep;) {
    const epoch = epochOf(spec, first);
    const end = Math.min(epoch * spec.stepsPerEpoch, o.lastStep);
    const steps = Array.from({ length: end - first + 1 }, (_, i) => first + i);
    const expected = steps.flatMap((step) => sampler.shards(step).flat().map(sampleId));
    const records = o.records.filter(({ step }) => step >= first && step <= end);
    ledgers.push({ epoch, finished: end === epoch * spec.stepsPerEpoch, ...balance(expected, records) });
    first = end + 1;
  }
  return ledgers;
}

function balance(
  expected: readonly string[],
  records: readonly StepRecord[],
): Omit<EpochLedger, 'epoch' | 'finished'> {
  const used = countsOf(records.flatMap(({ samples }) => samples));
  const left = countsOf(records.flatMap(({ skipped = [] }) => skipped));
  const found = (id: string) => (used.get(id) ?? 0) + (left.get(id) ?? 0);
  const known = new Set(expected);
  return {
    expected: expected.length,
    once: expected.filter((id) => used.get(id) === 1 && !left.has(id)).length,
    missing: expected.filter((id) => found(id) === 0),
    doubled: expected.filter((id) => found(id) > 1),
    foreign: [...new Set([...used.keys(), ...left.keys()])].filter((id) => !known.has(id)),
    skipped: [...left.keys()],
  };
}

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
