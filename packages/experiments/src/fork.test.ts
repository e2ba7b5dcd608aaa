import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { experimentDifferences } from './differences.js';
import { forkedExperiment } from './fork.js';
import { parseExperiment } from './parse.js';

const experiment = parseExperiment('data: { root: /data }', { set: ['name=liver', 'training.epochs=3'] });
const fork = (step: number, ...set: string[]) =>
  forkedExperiment({ name: 'liver', experiment }, { stepsPerEpoch: 10 }, { step, set });

describe('the experiment of a fork', () => {
  it('is that of its parent, named after the step', () => {
    const forked = fork(15);
    const differences = experimentDifferences(experiment, forked);
    assert.deepEqual(differences, [{ path: 'name', a: 'liver', b: 'liver-at-15', decides: false }]);
    const long = forkedExperiment(
      { name: 'x'.repeat(64), experiment },
      { stepsPerEpoch: 10 },
      { step: 5, set: [] },
    );
    assert.equal(long.name, `${'x'.repeat(59)}-at-5`);
  });

  it('takes what can change in the middle of a run', () => {
    const changes = [
      ...['name=other', 'loss.eta=[1, 1, 1, 1]', 'optimizer.learningRate=0.5', 'training.shards=2'],
      ...[
        'training.epochs=9',
        'exchange.wire=bf16',
        'data.root=/moved',
        'workers.max=4',
        'checkpoint.keep=9',
      ],
    ];
    const forked = fork(15, ...changes);
    assert.deepEqual([forked.name, forked.optimizer.learningRate, forked.training.epochs], ['other', 0.5, 9]);
    assert.equal(fork(20, 'seed=5').seed, 5, 'at the end of an epoch');
  });

  const refused: [string, number, RegExp][] = [
    ['network.kernel=3', 15, /network\.kernel \(3\): cannot change: the weights after step 15/],
    ['network.activation=relu', 15, /network\.activation/],
    ['training.batch=8', 15, /training\.batch \(8\): cannot change: it decides which samples/],
    ['data.blocks=liver', 20, /data\.blocks/],
    ['seed=5', 15, /seed \(5\): can change at the end of an epoch only \(a step that divides by 10\)/],
    ['training.epochs=1', 15, /the run would be over after step 10, it starts after step 15/],
  ];
  for (const [set, step, message] of refused) {
    it(`refuses ${set}`, () => {
      assert.throws(
        () => fork(step, set),
        (error) =>
          error instanceof Failure &&
          error.code === 'EXPERIMENT_CONTRADICTORY' &&
          message.test(error.message),
      );
    });
  }
});
