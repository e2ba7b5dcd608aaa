import assert from 'node:assert/strict';
import { runStates, transition, type RunState } from './run-state.js';

describe('states of a run', () => {
  const allowed: Record<RunState, RunState[]> = {
    queued: ['preparing', 'paused', 'failed', 'cancelled'],
    preparing: ['running', 'paused', 'failed', 'cancelled'],
    running: ['paused', 'validating', 'failed', 'cancelled'],
    paused: ['preparing', 'running', 'failed', 'cancelled'],
    validating: ['done', 'failed', 'cancelled'],
    done: [],
    failed: [],
    cancelled: [],
  };

  for (const from of runStates) {
    it(`${from} becomes ${allowed[from].join(', ') || 'nothing else'}`, () => {
      const found = runStates.filter((to) => transition(from, to) === to);
      assert.deepEqual(found.sort(), allowed[from].sort());
      const refused = runStates.filter((to) => !allowed[from].includes(to));
      for (const to of refused) assert.equal(transition(from, to), undefined);
    });
  }

  it('all lead from queued, and from each that is no end a run can fail and be cancelled', () => {
    const reached = new Set<RunState>(['queued']);
    for (const from of reached) for (const to of allowed[from]) reached.add(to);
    assert.equal(reached.size, runStates.length);
    for (const from of runStates) {
      const isEnd = allowed[from].length === 0;
      assert.equal(
        transition(from, 'failed') === 'failed' && transition(from, 'cancelled') === 'cancelled',
        !isEnd,
      );
    }
  });
});
