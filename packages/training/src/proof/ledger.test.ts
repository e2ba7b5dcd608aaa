import assert from 'node:assert/strict';
import type { StepRecord } from '@lvnet/checkpoints';
import { createStepSampler, sampleId } from '../sampling.js';
import { epochOf } from '../spec.js';
import { tinySpec } from '../tiny-run.fixture.js';
import { checkLedger } from './ledger.js';

const spec = tinySpec(); // five samples an epoch, in steps of four and one
const sampler = createStepSampler(spec);

const recordOf = (step: number): StepRecord => ({
  ...{ step, epoch: epochOf(spec, step), loss: 1, heads: {}, lr: 0.1, digest: '', seconds: {} },
  samples: sampler.shards(step).flat().map(sampleId),
});

const records = [1, 2, 3, 4, 5].map(recordOf);
const ledgerOf = (changed: readonly StepRecord[], after = 0, lastStep = 5) =>
  checkLedger(spec, { records: changed, after, lastStep });
const clean = { missing: [], doubled: [], foreign: [], skipped: [] };

/** The records with the samples of one step replaced. */
const withSamples = (step: number, samples: string[], more: Partial<StepRecord> = {}) =>
  records.map((record) => (record.step === step ? { ...record, samples, ...more } : record));

describe('the ledger of samples', () => {
  it('finds every sample of every epoch used once', () => {
    assert.deepEqual(ledgerOf(records), [
      { epoch: 1, finished: true, expected: 5, once: 5, ...clean },
      { epoch: 2, finished: true, expected: 5, once: 5, ...clean },
      { epoch: 3, finished: false, expected: 4, once: 4, ...clean },
    ]);
  });

  it('names a sample that was used twice and the one that it took the place of', () => {
    const [a = '', b = '', c = '', d = ''] = records[0]?.samples ?? [];
    const [first, second] = ledgerOf(withSamples(1, [a, b, c, a]));
    assert.deepEqual(first, {
      epoch: 1,
      finished: true,
      expected: 5,
      once: 3,
      ...clean,
      missing: [d],
      doubled: [a],
    });
    assert.deepEqual(second?.once, 5);
  });

  it('names a sample that is not of the epoch', () => {
    const [, ...rest] = records[0]?.samples ?? [];
    const [first] = ledgerOf(withSamples(1, ['nobody:0', ...rest]));
    assert.deepEqual(first?.foreign, ['nobody:0']);
    assert.deepEqual(first.missing, records[0]?.samples.slice(0, 1));
  });

  it('keeps skipped samples apart: they count once, and not as used', () => {
    const [a = '', ...rest] = records[2]?.samples ?? [];
    const second = ledgerOf(withSamples(3, rest, { skipped: [a] }))[1];
    assert.deepEqual(second, { epoch: 2, finished: true, expected: 5, once: 4, ...clean, skipped: [a] });
    const both = ledgerOf(withSamples(3, [a, ...rest], { skipped: [a] }))[1];
    assert.deepEqual([both?.doubled, both?.once], [[a], 4]);
  });

  it('misses the samples of a step without a record', () => {
    const [, second] = ledgerOf(records.filter(({ step }) => step !== 4));
    assert.deepEqual(second?.missing, records[3]?.samples);
  });

  it('of a fork begins behind the step that it was forked after', () => {
    const ledger = ledgerOf(records.slice(3), 3);
    assert.deepEqual(ledger, [
      { epoch: 2, finished: true, expected: 1, once: 1, ...clean },
      { epoch: 3, finished: false, expected: 4, once: 4, ...clean },
    ]);
  });
});
