import assert from 'node:assert/strict';
import type { Evidence } from './evidence.js';
import { speculate, type Waiting } from './speculate.js';
import { firstView, withBarred } from './view.js';

const view = firstView(undefined, 1, ['a', 'b', 'c'], 0, 'id', 9);
const at = (step: number, done: number, secondsPerLeaf = 1): Evidence => ({
  connection: '1',
  disconnected: false,
  progress: { step, done, secondsPerLeaf, hangs: false, ready: true },
});
const waiting = (over: Partial<Waiting>): Waiting => ({
  ...{ view, me: 'a', step: 4, leaves: 9, taken: new Set(), waitedMs: 2_500 },
  evidence: new Map([
    ['b', at(4, 3)],
    ['c', at(4, 1)],
  ]),
  ...over,
});

describe('speculation', () => {
  it('takes the last leaf of who is slow', () => {
    assert.equal(speculate(waiting({})), 8);
  });
  it('waits for twice the time of the slowest', () => {
    assert.equal(speculate(waiting({ waitedMs: 1_999 })), undefined);
  });
  it('takes another leaf than others do', () => {
    assert.equal(speculate(waiting({ taken: new Set([8]) })), 7);
    assert.equal(
      speculate(
        waiting({
          me: 'b',
          evidence: new Map([
            ['a', at(4, 3)],
            ['c', at(4, 1)],
          ]),
        }),
      ),
      7,
    );
  });
  it('has nothing to do when all is done or taken', () => {
    assert.equal(speculate(waiting({ taken: new Set([7, 8]) })), undefined);
    assert.equal(
      speculate(
        waiting({
          evidence: new Map([
            ['b', at(4, 3)],
            ['c', at(5, 0)],
          ]),
        }),
      ),
      undefined,
    );
  });
  it('takes all leaves of who is a step behind for missing', () => {
    assert.equal(
      speculate(
        waiting({
          evidence: new Map([
            ['b', at(4, 3)],
            ['c', at(3, 2)],
          ]),
          taken: new Set([7, 8]),
        }),
      ),
      6,
    );
  });
  it('keeps off a leaf from which it is barred', () => {
    const barred = withBarred(view, 4, { shard: 8, worker: 'a', why: 'not finite', loss: null }, 'id2');
    assert.equal(speculate(waiting({ view: barred })), 7);
  });
});
