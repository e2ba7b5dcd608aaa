import assert from 'node:assert/strict';
import { fakeClock } from '@lvnet/core';
import type { View } from '@lvnet/exchange';
import { createCheckpointKeeper } from './checkpoint-keeper.js';
import { trainAsMember, type Course, type MemberParts } from './member.js';

interface State {
  step: number;
}

const lastStep = 9;

/**
 * A member whose every step ends with a checkpoint, and a store that writes when it is let.
 *
 * @param o writerFrom: the first step of the first member, which is this one unless it has another rank
 */
function train(
  mostPending: number,
  { signal = new AbortController().signal, rank = 0, writerFrom = 1 } = {},
) {
  const range = { lo: 0, hi: 1 };
  const member = { range, next: range, weight: 1, source: 'peer' } as const;
  const members = ['a', 'b'].map((worker) => ({ ...member, worker, fromStep: writerFrom }));
  const view: View = { life: 1, number: 1, id: 'a', members, nextFrom: null, retry: null };
  const clock = fakeClock();
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
    now: clock.now,
    monotonicMs: clock.monotonicMs,
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
  const exchange: MemberParts<State, 'end'>['exchange'] = {
    join: () => Promise.resolve({ life: 1, step: 0, source: 'checkpoint', state: null, view }),
    leave: () => Promise.resolve(true),
    rank: () => rank,
    view: () => view,
  };
  const done = trainAsMember<State, 'end'>({
    ...{ course, exchange, keeper, mostPending, signal, clock },
    onState: (state) => (seen.step = state?.step ?? seen.step),
  });
  const pass = async (ms: number) => {
    await new Promise((resolve) => setImmediate(resolve)); // it reaches its next wait
    await clock.advance(ms);
  };
  return { seen, keeper, open, done, pass };
}

describe('a member', () => {
  it('trains on while the store does not write, up to what it may keep in memory, and says that it waits', async () => {
    const { seen, keeper, open, done, pass } = train(3);
    await pass(1_900);
    assert.deepEqual(seen.notes, []);
    await pass(600);
    assert.deepEqual([seen.step, seen.written], [4, []]);
    assert.equal(keeper.pending().length, 4);
    assert.deepEqual(seen.notes, ['waits for the store: 4 checkpoints are not in it yet']);
    open();
    await pass(1_000);
    assert.equal(await done, 'finished');
    assert.deepEqual(
      seen.written,
      Array.from({ length: lastStep }, (_, i) => i + 1),
    );
  });

  it('writes what it holds of steps before the writer came, and no more', async () => {
    const leaving = new AbortController();
    const { seen, open, done, pass } = train(1, { signal: leaving.signal, rank: 1, writerFrom: 3 });
    open();
    await pass(60_000);
    assert.deepEqual([seen.step, seen.written], [4, [1, 2]]);
    leaving.abort();
    await pass(100);
    assert.equal(await done, 'stopped');
  });

  it('leaves when it is told to while it waits for the store', async () => {
    const leaving = new AbortController();
    const { seen, open, done, pass } = train(1, { signal: leaving.signal });
    await pass(200);
    assert.equal(seen.step, 2);
    leaving.abort();
    await pass(100);
    open();
    await pass(1_000);
    assert.equal(await done, 'stopped');
    assert.deepEqual(seen.written, [1, 2], 'what it held is written, by the last one to go');
  });
});
