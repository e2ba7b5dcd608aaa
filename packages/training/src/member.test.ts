import assert from 'node:assert/strict';
import { systemClock } from '@lvnet/core';
import type { Exchange } from '@lvnet/exchange';
import { createCheckpointKeeper } from './checkpoint-keeper.js';
import { trainAsMember, type Course } from './member.js';

interface State {
  step: number;
}

const lastStep = 9;

/** A member on its own whose every step ends with a checkpoint, and a store that writes when it is let. */
function train(mostPending: number, signal = new AbortController().signal) {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const seen = { step: 0, written: [] as number[], notes: [] as string[] };
  const keeper = createCheckpointKeeper<State>({
    isSettled: (step) => Promise.resolve(seen.written.includes(step) ? 'complete' : 'open'),
    async write({ step }) {
      await opened;
      seen.written.push(step);
    },
    onWritten: () => undefined,
    onFailed: () => undefined,
    ...systemClock,
  });
  const course: Course<State, 'end'> = {
    begin: () => Promise.resolve({ step: 0 }),
    step: ({ step }) => Promise.resolve({ step: step + 1 }),
    copy: (state) => ({ ...state }),
    isDue: () => true,
    adjourn: () => Promise.resolve(),
    endOf: ({ step }) => Promise.resolve(step >= lastStep ? 'end' : undefined),
    finish: () => Promise.resolve(),
    convict: (_state, failure) => Promise.resolve({ isGuilty: false, failure }),
    note: (text) => void seen.notes.push(text),
  };
  const exchange = {
    join: () => Promise.resolve({ step: 0 }),
    leave: () => Promise.resolve(true),
    rank: () => 0,
  } as unknown as Exchange;
  const done = trainAsMember<State, 'end'>({
    ...{ course, exchange, keeper, mostPending, signal },
    clock: systemClock,
    onState: (state) => (seen.step = state?.step ?? seen.step),
  });
  return { seen, keeper, open, done };
}

describe('a member', () => {
  it('trains on while the store does not write, up to what it may keep in memory, and says that it waits', async () => {
    const { seen, keeper, open, done } = train(3);
    await systemClock.sleep(2_500);
    assert.deepEqual([seen.step, seen.written], [4, []]);
    assert.equal(keeper.pending().length, 4);
    assert.deepEqual(seen.notes, ['waits for the store: 4 checkpoints are not in it yet']);
    open();
    assert.equal(await done, 'finished');
    assert.deepEqual(
      seen.written,
      Array.from({ length: lastStep }, (_, i) => i + 1),
    );
  });

  it('leaves when it is told to while it waits for the store', async () => {
    const leaving = new AbortController();
    const { seen, open, done } = train(1, leaving.signal);
    await systemClock.sleep(200);
    assert.equal(seen.step, 2);
    leaving.abort();
    await systemClock.sleep(100);
    open();
    assert.equal(await done, 'stopped');
    assert.deepEqual(seen.written, [1, 2], 'what it held is written, by the last one to go');
  });
});
