import type { Failure } from '@lvnet/core';
import type { Job } from './jobs.js';

/** A failed attempt is tried again after this. */
export const retryAfterMs = 400;

/** A train job is tried for ever (its run decides when it ends), the others a few times. */
export const attemptsOf = (job: Job): number => (job.kind === 'train' ? 1_000_000 : 6);

/** What becomes of a job after a failed attempt. */
export function afterFailure(job: Job, failure: Failure, attemptsMade: number): 'again' | 'giveUp' {
  if (failure.code === 'CANCELLED') return 'again'; // its worker went away
  // Trying again cannot mend what the user has to mend.
  if (permanent.has(failure.code)) return 'giveUp';
  return attemptsMade >= attemptsOf(job) ? 'giveUp' : 'again';
}

const permanent: ReadonlySet<string> = new Set([
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
  'EXPERIMENT_INVALID',
  'STORE_DENIED',
]);
