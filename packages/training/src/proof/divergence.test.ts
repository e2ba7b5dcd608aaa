import assert from 'node:assert/strict';
import type { StepRecord } from '@lvnet/checkpoints';
import { firstDivergence } from './divergence.js';

const record = (step: number, digest: string, over: Partial<StepRecord> = {}): StepRecord => ({
  ...{ step, epoch: 1, loss: 1, heads: {}, lr: 0.1, samples: ['a:0'], seconds: { data: Math.E * step } },
  ...{ digest, weights: digest, ...over },
});
const same = [1, 2, 3].map((step) => record(step, `d${String(step)}`));

describe('two runs', () => {
  const table: [string, StepRecord[], StepRecord[], ReturnType<typeof firstDivergence>][] = [
    ['are the same', same, same, { compared: 3, lastStep: 3, step: null, fields: [] }],
    [
      'are the same as far as both went',
      same,
      same.slice(0, 2),
      { compared: 2, lastStep: 2, step: null, fields: [] },
    ],
    [
      'part at a step',
      same,
      [record(1, 'd1'), record(2, 'x2', { loss: 2 }), record(3, 'x3')],
      { compared: 3, lastStep: 3, step: 2, fields: ['weights', 'loss'] },
    ],
    [
      'part by their samples alone',
      same,
      [record(1, 'd1'), record(2, 'x2', { samples: ['b:0'], weights: 'd2' })],
      { compared: 2, lastStep: 2, step: 2, fields: ['samples'] },
    ],
    [
      'have no step in common',
      same.slice(0, 1),
      same.slice(1),
      { compared: 0, lastStep: null, step: null, fields: [] },
    ],
  ];
  for (const [what, a, b, expected] of table) {
    it(what, () => {
      assert.deepEqual(firstDivergence(a, b), expected);
      assert.deepEqual(firstDivergence(b, a), expected);
    });
  }
});
