import assert from 'node:assert/strict';
import { auditLines, type Audit } from './audit-view.js';

const epoch = { finished: true, expected: 5, once: 5, missing: [], doubled: [], foreign: [], skipped: [] };
const sound: Audit = {
  ...{ run: 'abc', name: 'liver', holds: true, steps: { first: 1, last: 9 }, digest: 'd9', seed: 7 },
  chain: { holds: true, checkpoints: [4, 8] },
  ledger: { holds: true, epochs: [{ epoch: 1, ...epoch }] },
  recomputed: [{ step: 6, fromStep: 4, holds: true, message: null, tensor: null }],
  problems: [],
};

describe('an audit for people', () => {
  it('is a table and a verdict', () => {
    assert.deepEqual(auditLines(sound), [
      'run abc (liver)',
      'chain       holds  steps 1 to 9; checkpoints: 4, 8',
      'ledger      holds  1 epoch: 5 of 5 samples used exactly once',
      'recomputed  holds  steps 6 (from 4); --seed 7 draws them again',
      'Verdict: all holds up to step 9, digest d9.',
    ]);
  });

  it('lists what was left out on purpose apart, and says when an epoch is not over', () => {
    const epochs = [
      { epoch: 1, ...epoch, once: 4, skipped: ['a:0'] },
      { epoch: 2, ...epoch, finished: false, expected: 2, once: 2 },
    ];
    const lines = auditLines({ ...sound, ledger: { holds: true, epochs } });
    assert.equal(
      lines[2],
      'ledger      holds  1 epoch and one that is not finished: 6 of 7 samples used exactly once; left out on purpose: a:0 in epoch 1',
    );
  });

  it('names what is wrong, each in a line, before the verdict', () => {
    const problems: Audit['problems'] = [
      { kind: 'ledger', step: null, message: 'epoch 1: never used: a:0' },
      { kind: 'recomputed', step: 6, message: 'done again: the checkpoint has another x, first in w' },
    ];
    const recomputed = [{ step: 6, fromStep: 4, holds: false, message: 'x', tensor: 'w' }];
    const ledger = { ...sound.ledger, holds: false };
    const lines = auditLines({ ...sound, holds: false, ledger, recomputed, problems });
    assert.deepEqual(lines.slice(2), [
      'ledger      broken  1 epoch: 5 of 5 samples used exactly once',
      'recomputed  broken  steps 6 (from 4); --seed 7 draws them again',
      'epoch 1: never used: a:0',
      'step 6: done again: the checkpoint has another x, first in w',
      'Verdict: 2 problems; this run is not what its experiment gives.',
    ]);
  });
});
