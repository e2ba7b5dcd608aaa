import assert from 'node:assert/strict';
import { inParallel } from './in-parallel.js';

describe('inParallel', () => {
  const open = new AbortController().signal;

  it('does everything once, no more than so many at a time', async () => {
    let [now, most] = [0, 0];
    const done: number[] = [];
    await inParallel([0, 1, 2, 3, 4], 2, open, async (item) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      done.push(item);
    });
    assert.deepEqual(done.sort(), [0, 1, 2, 3, 4]);
    assert.equal(most, 2);
  });

  it('begins nothing after an error, and lets what is under way end', async () => {
    const [begun, ended]: [number[], number[]] = [[], []];
    const work = inParallel([0, 1, 2, 3], 2, open, async (item) => {
      begun.push(item);
      if (item === 0) throw new Error('first');
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(item);
    });
    await assert.rejects(work, /first/);
    assert.deepEqual([begun, ended], [[0, 1], [1]]);
  });

  it('stops when cancelled', async () => {
    const stop = new AbortController();
    const done: number[] = [];
    const work = inParallel([0, 1, 2], 1, stop.signal, (item) => {
      done.push(item);
      stop.abort();
      return Promise.resolve();
    });
    await assert.rejects(work, { code: 'CANCELLED' });
    assert.deepEqual(done, [0]);
  });

  it('does nothing with nothing', async () => {
    await inParallel([], 3, open, () => assert.fail());
  });
});
