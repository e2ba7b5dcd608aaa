import assert from 'node:assert/strict';
import { earlyStop } from './early-stop.js';

/** Values of epochs 1, 2, ... */
const history = (...values: (number | null)[]) => values.map((value, i) => ({ epoch: i + 1, value }));

describe('early stop', () => {
  const table: [string, (number | null)[], { best: [number, number] | null; stop: boolean }][] = [
    ['nothing yet', [], { best: null, stop: false }],
    ['the first epoch', [0.5], { best: [1, 0.5], stop: false }],
    ['always better', [0.1, 0.2, 0.3, 0.4], { best: [4, 0.4], stop: false }],
    ['one worse', [0.3, 0.2], { best: [1, 0.3], stop: false }],
    ['two worse', [0.3, 0.2, 0.1], { best: [1, 0.3], stop: true }],
    ['a tie is no improvement', [0.3, 0.3, 0.3], { best: [1, 0.3], stop: true }],
    ['better again in time', [0.3, 0.2, 0.4, 0.3], { best: [3, 0.4], stop: false }],
    ['undefined counts as no improvement', [0.3, null, null], { best: [1, 0.3], stop: true }],
    ['never defined', [null, null], { best: null, stop: true }],
    ['undefined at first', [null, 0.1], { best: [2, 0.1], stop: false }],
    ['zero is a value', [0, 0, 0], { best: [1, 0], stop: true }],
  ];
  for (const [what, values, { best, stop }] of table) {
    it(what, () => {
      const expected = { best: best && { epoch: best[0], value: best[1] }, stop };
      assert.deepEqual(earlyStop(history(...values), { patience: 2, direction: 'maximize' }), expected);
    });
  }

  it('takes the smallest when told to', () => {
    const rule = { patience: 2, direction: 'minimize' } as const;
    assert.deepEqual(earlyStop(history(0.3, 0.1, 0.2), rule), {
      best: { epoch: 2, value: 0.1 },
      stop: false,
    });
    assert.equal(earlyStop(history(0.1, 0.2, 0.3), rule).stop, true);
  });

  it('counts epochs, not entries', () => {
    const gaps = [
      { epoch: 1, value: 0.5 },
      { epoch: 6, value: 0.4 },
    ];
    assert.equal(earlyStop(gaps, { patience: 5, direction: 'maximize' }).stop, true);
    assert.equal(earlyStop(gaps, { patience: 6, direction: 'maximize' }).stop, false);
  });
});
