import type { Failure, FailureCode } from '@lvnet/core';
import type { Job } from './jobs.js';

/** A failed attempt is tried again after this. */
export const retryAfterMs = 400;

/** A train job is tried for ever (its run decides when it ends), the others a few times. */
const patienceOf = (job: Job): number => (job.kind === 'train' ? Number.POSITIVE_INFINITY : 6);

/**
 * What becomes of a job after a failed attempt. What the world does to it (a store that is away, a worker
 * that leaves) is not its fault: it is tried again until that is over.
 *
 * @param failureCount failures of this job before, as this function counted them
 */
export function afterFailure(
  job: Job,
  failure: Failure,
  failureCount: number,
): { verdict: 'again' | 'giveUp'; failureCount: number } {
  if (passing.has(failure.code)) return { verdict: 'again', failureCount };
  const count = failureCount + 1;
  const isHopeless = permanent.has(failure.code) || count >= patienceOf(job);
  return { verdict: isHopeless ? 'giveUp' : 'again', failureCount: count };
}

/** Goes by without the job's or the user's doing. */
const passing: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'CANCELLED',
  'STORE_UNREACHABLE',
  'STORE_FULL',
  'REDIS_UNREACHABLE',
  'CHECKPOINT_AWAITED',
]);

/** Trying again cannot mend what the user has to mend. */
const permanent: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'NIFTI_INVALID',
  'VOLUME_INVALID',
  'VOLUME_SHAPE_MISMATCH',
  'CASE_INCOMPLETE',
  'DATASET_INVALID',
  'SHAPE_MISMATCH',
  'NETWORK_INVALID',
  'WEIGHTS_MISMATCH',
  'NON_FINITE',
  'LOSS_SPIKE',
  'DIGEST_MISMATCH',
  'START_LOST',
  'EXPERIMENT_INVALID',
  'STORE_DENIED',
]);
