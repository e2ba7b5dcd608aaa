import assert from 'node:assert/strict';
import { Failure, type FailureCode } from '@lvnet/core';
import type { Job } from './jobs.js';
import { afterFailure } from './patience.js';

const prepare: Job = { kind: 'prepare', run: 'r', case: '1' };
const validate: Job = {
  kind: 'validate',
  subject: 'case',
  run: 'r',
  step: 8,
  split: 'validation',
  case: '1',
};
const train: Job = { kind: 'train', run: 'r', slot: 0 };

/** How often a job is tried when every attempt fails so; Infinity beyond a hundred. */
function attempts(job: Job, codes: readonly FailureCode[]): number {
  let failureCount = 0;
  for (let attempt = 1; attempt <= 100; attempt++) {
    const code = codes[(attempt - 1) % codes.length] ?? 'INTERNAL';
    const after = afterFailure(job, new Failure(code, {}, { message: code }), failureCount);
    if (after.verdict === 'giveUp') return attempt;
    failureCount = after.failureCount;
  }
  return Number.POSITIVE_INFINITY;
}

describe('patience with a failing job', () => {
  const cases: { job: Job; codes: FailureCode[]; tried: number; why: string }[] = [
    { job: prepare, codes: ['NIFTI_INVALID'], tried: 1, why: 'the user has to mend it' },
    { job: train, codes: ['DIGEST_MISMATCH', 'START_LOST'], tried: 1, why: 'the user has to mend it' },
    { job: prepare, codes: ['CHILD_DIED'], tried: 6, why: 'it may be the job that kills' },
    { job: train, codes: ['CHILD_DIED'], tried: Infinity, why: 'its run decides when it ends' },
    { job: prepare, codes: ['STORE_UNREACHABLE'], tried: Infinity, why: 'the store comes back' },
    { job: prepare, codes: ['STORE_FULL'], tried: Infinity, why: 'somebody makes room' },
    { job: validate, codes: ['CHECKPOINT_AWAITED'], tried: Infinity, why: 'training writes it again' },
    { job: validate, codes: ['CHECKPOINT_CORRUPT'], tried: 6, why: 'nobody does it again' },
    { job: prepare, codes: ['CANCELLED'], tried: Infinity, why: 'its workers went away' },
    {
      job: prepare,
      codes: ['STORE_UNREACHABLE', 'STORE_UNREACHABLE', 'CHILD_DIED'],
      tried: 18,
      why: 'only its own failures count',
    },
  ];
  for (const { job, codes, tried, why } of cases) {
    it(`tries a ${job.kind} job ${String(tried)} times when it fails with ${codes.join(', ')}: ${why}`, () => {
      assert.equal(attempts(job, codes), tried);
    });
  }
});
