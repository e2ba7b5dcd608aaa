import assert from 'node:assert/strict';
import { experimentDifferences } from './differences.js';
import { parseExperiment } from './parse.js';

const experiment = (...set: string[]) => parseExperiment('data: { root: /data }', { set });

describe('the differences of two experiments', () => {
  it('are none for the same', () => {
    assert.deepEqual(experimentDifferences(experiment(), experiment('seed=0')), []);
  });

  it('are named with both values, lists as one, and whether they decide the bytes', () => {
    const a = experiment('name=a', 'loss.eta=[0, 0, 0, 1]', 'workers.max=3');
    const b = experiment('name=b', 'training.stop={ patience: 2 }', 'data.root=/other');
    assert.deepEqual(experimentDifferences(a, b), [
      { path: 'data.root', a: '/data', b: '/other', decides: false },
      { path: 'loss.eta', a: [0, 0, 0, 1], b: [0.2, 0.4, 0.6, 0.8], decides: true },
      { path: 'name', a: 'a', b: 'b', decides: false },
      { path: 'training.stop.metric', a: null, b: 'dice', decides: true },
      { path: 'training.stop.patience', a: null, b: 2, decides: true },
      { path: 'workers.max', a: 3, b: 2, decides: false },
    ]);
  });
});
