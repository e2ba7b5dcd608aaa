import assert from 'node:assert/strict';
import { closesEpoch, epochOf, learningRateAt, type TrainingSpec } from './spec.js';
import { cutIntoShards, sampleId } from './sampling.js';

const spec: TrainingSpec = {
  run: 'r',
  start: null,
  seed: 1,
  network: {} as TrainingSpec['network'],
  loss: { eta: [], order: 'coarse-to-fine' },
  optimizer: { learningRate: 1, decayPerEpoch: 0.5, weightDecay: 0 },
  batch: 4,
  shards: 2,
  onBadSample: 'stop' as const,
  slices: 16,
  blocks: 'all',
  cases: [],
  stepsPerEpoch: 3,
  stepsTotal: 9,
};

describe('training spec', () => {
  it('counts epochs from 1, closes them with their last step', () => {
    assert.deepEqual(
      [0, 1, 3, 4, 9].map((step) => epochOf(spec, step)),
      [0, 1, 1, 2, 3],
    );
  });

  it('lets the learning rate decay at the end of each epoch', () => {
    assert.deepEqual(
      [1, 3, 4, 7].map((step) => learningRateAt(spec, step)),
      [1, 1, 0.5, 0.25],
    );
  });

  it('closes epochs at their ends and at the end', () => {
    const closing = Array.from({ length: 11 }, (_, step) => step).filter((step) =>
      closesEpoch({ ...spec, stepsTotal: 10 }, step),
    );
    assert.deepEqual(closing, [3, 6, 9, 10]);
  });
});

describe('shards of a step', () => {
  const samples = [1, 2, 3].map((start) => ({ case: 'a', start }));

  it('leaves the last shards of a short batch empty', () => {
    const shards = cutIntoShards(samples.slice(0, 2), spec);
    assert.deepEqual(
      shards.map((shard) => shard.map(sampleId)),
      [['a:1', 'a:2'], []],
    );
  });

  it('cuts neighbouring samples into equal parts', () => {
    const shards = cutIntoShards(samples, spec);
    assert.deepEqual(
      shards.map((shard) => shard.length),
      [2, 1],
    );
  });
});
