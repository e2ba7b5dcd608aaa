import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { createCheckpointKeeper } from './checkpoint-keeper.js';

interface World {
  complete: Set<number>;
  moot: Set<number>;
  written: number[];
  /** Those of them for which training waited. */
  urgent: number[];
  failures: string[];
  nowMs: number;
  failNext: boolean;
}

function keeperOf(world: World) {
  return createCheckpointKeeper<{ step: number }>({
    isSettled: (step) =>
      Promise.resolve(world.complete.has(step) ? 'complete' : world.moot.has(step) ? 'moot' : 'open'),
    write: (state, isUrgent) => {
      if (world.failNext) {
        world.failNext = false;
        return Promise.reject(new Failure('STORE_UNREACHABLE', {}, { message: 'gone' }));
      }
      world.complete.add(state.step);
      world.written.push(state.step);
      if (isUrgent) world.urgent.push(state.step);
      return Promise.resolve();
    },
    onWritten: () => undefined,
    onFailed: (_step, failure) => world.failures.push(failure.code),
    now: () => world.nowMs,
    monotonicMs: () => world.nowMs,
  });
}

const newWorld = (): World => ({
  ...{ complete: new Set(), moot: new Set(), written: [], urgent: [], failures: [] },
  ...{ nowMs: 0, failNext: false },
});

describe('checkpoint keeper', () => {
  it('writes in order, one at a time, as the writer', async () => {
    const world = newWorld();
    const keeper = keeperOf(world);
    keeper.due({ step: 4 });
    keeper.due({ step: 8 });
    keeper.tick(() => true);
    keeper.tick(() => true);
    await keeper.idle();
    assert.deepEqual(world.written, [4]);
    keeper.tick(() => true);
    await keeper.idle();
    assert.deepEqual(world.written, [4, 8]);
    assert.deepEqual(keeper.pending(), []);
  });

  it('keeps a snapshot as a mere member until the writer has stored it', async () => {
    const world = newWorld();
    const keeper = keeperOf(world);
    keeper.due({ step: 4 });
    keeper.tick(() => false);
    await keeper.idle();
    assert.deepEqual(keeper.pending(), [4]);
    world.complete.add(4);
    world.nowMs += 1_000;
    keeper.tick(() => false);
    await keeper.idle();
    assert.deepEqual(keeper.pending(), []);
    assert.deepEqual(world.written, []);
  });

  it('takes over what a former writer left unfinished', async () => {
    const world = newWorld();
    const keeper = keeperOf(world);
    keeper.due({ step: 4 });
    keeper.tick(() => false);
    await keeper.idle();
    world.nowMs += 1_000;
    keeper.tick(() => true);
    await keeper.idle();
    assert.deepEqual(world.written, [4]);
  });

  it('tries again after a failure, and says that it failed', async () => {
    const world = newWorld();
    world.failNext = true;
    const keeper = keeperOf(world);
    keeper.due({ step: 4 });
    keeper.tick(() => true);
    await keeper.idle();
    keeper.tick(() => true); // too early
    await keeper.idle();
    assert.deepEqual([world.failures, world.written], [['STORE_UNREACHABLE'], []]);
    world.nowMs += 1_001;
    keeper.tick(() => true);
    await keeper.idle();
    assert.deepEqual(world.written, [4]);
  });

  for (const isWriter of [true, false]) {
    it(`lets go of what the members do not mean, ${isWriter ? 'as the writer' : 'as a mere member'}`, async () => {
      const world = newWorld();
      const keeper = keeperOf(world);
      keeper.due({ step: 4 });
      world.moot.add(4);
      keeper.tick(() => isWriter);
      await keeper.idle();
      assert.deepEqual([keeper.pending(), world.written, keeper.newest()], [[], [], null]);
    });
  }

  it('says for what training waits', async () => {
    const world = newWorld();
    const keeper = keeperOf(world);
    keeper.due({ step: 4 });
    keeper.tick(() => true);
    await keeper.idle();
    keeper.due({ step: 8 });
    keeper.tick(() => true, true);
    await keeper.idle();
    assert.deepEqual([world.written, world.urgent], [[4, 8], [8]]);
  });

  it('forgets what a new life will do again', () => {
    const keeper = keeperOf(newWorld());
    keeper.due({ step: 4 });
    keeper.due({ step: 8 });
    keeper.rewind(4);
    assert.deepEqual(keeper.pending(), [4]);
  });
});
