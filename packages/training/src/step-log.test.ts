import assert from 'node:assert/strict';
import type { StepRecord } from '@lvnet/checkpoints';
import { createStepLog } from './step-log.js';

const record = (step: number): StepRecord => ({
  step,
  epoch: 1,
  loss: step,
  heads: {},
  lr: 0.1,
  digest: String(step),
  samples: [],
  seconds: {},
});

const logOf = (...steps: number[]) => {
  const log = createStepLog();
  for (const step of steps) log.add(record(step));
  return log;
};

describe('the step log', () => {
  it('keeps records until the store has them', () => {
    const log = logOf(1, 2, 3, 4);
    assert.deepEqual(
      log.upTo(3).map(({ step }) => step),
      [1, 2, 3],
    );
    assert.deepEqual(
      log.upTo(3).map(({ step }) => step),
      [1, 2, 3],
      'asking takes nothing away',
    );
    log.drop((step) => step <= 2);
    assert.deepEqual(
      log.upTo(9).map(({ step }) => step),
      [3, 4],
    );
    log.drop(() => true);
    assert.deepEqual(log.upTo(9), []);
  });

  it('forgets what a new life does again', () => {
    const log = logOf(1, 2, 3, 4);
    log.rewind(2);
    log.add(record(3));
    assert.deepEqual(
      log.upTo(9).map(({ step }) => step),
      [1, 2, 3],
    );
  });

  it('is empty after a rewind to the start', () => {
    const log = logOf(1, 2);
    log.rewind(0);
    assert.deepEqual(log.upTo(9), []);
  });
});
