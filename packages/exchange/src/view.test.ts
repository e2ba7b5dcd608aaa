import assert from 'node:assert/strict';
import fc from 'fast-check';
import { rangesFor } from './ranges.js';
import {
  attemptOf,
  badShards,
  computerOf,
  firstView,
  isOutdatedLeaf,
  isSkipped,
  memberOf,
  ownerOf,
  rebalanced,
  shardsOf,
  withBarred,
  withNewcomers,
  without,
  withSkipped,
  type View,
} from './view.js';

const abc = firstView(undefined, 3, ['a', 'b', 'c'], 10, 'id', 5);
const shards = (view: View, step = 11, leaves = 5) =>
  Object.fromEntries(view.members.map(({ worker }) => [worker, shardsOf(view, worker, step, leaves)]));

describe('ranges', () => {
  it('follow the weights as near as whole leaves allow, at least one each', () => {
    assert.deepEqual(
      rangesFor([1, 1, 1], 5).map(({ lo, hi }) => hi - lo),
      [2, 2, 1],
    );
    assert.deepEqual(
      rangesFor([3, 1], 8).map(({ lo, hi }) => hi - lo),
      [6, 2],
    );
    assert.deepEqual(
      rangesFor([100, 1, 1], 4).map(({ lo, hi }) => hi - lo),
      [2, 1, 1],
    );
    assert.deepEqual(rangesFor([0.2], 3), [{ lo: 0, hi: 3 }]);
  });

  it('are neighbours that cover all leaves', () => {
    const weights = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(weights, fc.nat(40), (some, more) => {
        const leaves = some.length + more;
        const ranges = rangesFor(some, leaves);
        assert.equal(ranges[0]?.lo, 0);
        assert.equal(ranges.at(-1)?.hi, leaves);
        ranges.forEach(({ lo, hi }, i) => {
          assert.ok(hi > lo);
          if (i > 0) assert.equal(lo, ranges[i - 1]?.hi);
        });
      }),
    );
  });
});

describe('views', () => {
  it('give every leaf to one member and every bucket an owner', () => {
    assert.deepEqual(shards(abc), { a: [0, 1], b: [2, 3], c: [4] });
    assert.deepEqual(shardsOf(abc, 'x', 11, 5), []);
    assert.deepEqual(
      [0, 1, 2, 3].map((bucket) => ownerOf(abc, bucket, 11)),
      ['a', 'b', 'c', 'a'],
    );
  });

  it('deal the leaves of those who go to the others', () => {
    const fewer = without(abc, ['b'], 'id2', 5);
    assert.deepEqual([fewer.life, fewer.number, fewer.id], [3, 2, 'id2']);
    assert.deepEqual(shards(fewer), { a: [0, 1, 2], c: [3, 4] });
  });

  it('let newcomers follow before they compute, never more than there is room for', () => {
    const more = withNewcomers(without(abc, ['b'], 'id2', 5), ['a', 'd', 'e'], 12, 3, 'id3');
    assert.deepEqual(
      more.members.map((member) => member.worker),
      ['a', 'c', 'd'],
    );
    assert.equal(memberOf(more, 'd')?.fromStep, 12);
    assert.deepEqual(shards(more, 12), { a: [0, 1, 2], c: [3, 4], d: [] });
    assert.equal(ownerOf(more, 2, 12), 'a', 'who follows owns nothing');
  });

  it('deal leaves anew from the next step on, since this one is under way', () => {
    const more = withNewcomers(without(abc, ['b'], 'id2', 5), ['d'], 12, 3, 'id3');
    const dealt = rebalanced(more, ['d'], new Map([['a', 0.5]]), 13, 'id4', 5);
    assert.deepEqual(shards(dealt, 13), { a: [0, 1, 2], c: [3, 4], d: [] });
    assert.deepEqual(shards(dealt, 14), { a: [0], c: [1, 2], d: [3, 4] });
    const fewer = without(dealt, ['c'], 'id5', 5);
    assert.deepEqual(shards(fewer, 13), { a: [0, 1, 2, 3, 4], d: [] });
    assert.deepEqual(shards(fewer, 14), { a: [0, 1], d: [2, 3, 4] });
    const again = rebalanced(dealt, [], new Map(), 20, 'id6', 5);
    assert.deepEqual(shards(again, 20), { a: [0], c: [1, 2], d: [3, 4] });
  });

  it('let followers take over when nobody else is left', () => {
    const more = withNewcomers(firstView(undefined, 1, ['a'], 0, 'id', 4), ['b'], 1, 2, 'id2');
    assert.deepEqual(shards(without(more, ['a'], 'id3', 4), 1, 4), { b: [0, 1, 2, 3] });
    assert.deepEqual(without(more, ['a', 'b'], 'id3', 4).members, []);
  });

  it('give a leaf to the next member when its own is barred from it', () => {
    const barred = { shard: 4, worker: 'c', why: 'not finite', loss: null } as const;
    const again = withBarred(abc, 11, barred, 'id2');
    assert.equal(attemptOf(again, 11), 1);
    assert.equal(attemptOf(again, 12), 0, 'an attempt belongs to its step');
    assert.equal(computerOf(again, 4, 11), 'a');
    assert.deepEqual(shards(again), { a: [0, 1, 4], b: [2, 3], c: [] });
    assert.deepEqual(shards(again, 12), { a: [0, 1], b: [2, 3], c: [4] });
    assert.deepEqual(badShards(again, 11), []);
    const twice = withBarred(again, 11, { ...barred, worker: 'a' }, 'id3');
    assert.deepEqual(badShards(twice, 11), [4]);
    assert.equal(computerOf(twice, 4, 11), 'b');
    const skipped = withSkipped(twice, 11, 4, 'id4');
    assert.deepEqual(
      [attemptOf(skipped, 11), isSkipped(skipped, 4, 11), badShards(skipped, 11)],
      [3, true, []],
    );
  });

  it('remember what was done again of earlier steps, for who is not through with them', () => {
    const barred = { shard: 4, worker: 'c', why: 'not finite', loss: null } as const;
    const twice = withSkipped(withBarred(abc, 11, barred, 'id2'), 11, 4, 'id3');
    const later = withBarred(twice, 12, { ...barred, shard: 0, worker: 'a' }, 'id4');
    assert.deepEqual([attemptOf(later, 11), attemptOf(later, 12), attemptOf(later, 13)], [2, 1, 0]);
    assert.deepEqual([isSkipped(later, 4, 11), isSkipped(later, 4, 12)], [true, false]);
    assert.deepEqual([computerOf(later, 4, 11), computerOf(later, 0, 12)], ['a', 'b']);
    assert.deepEqual(later.retry?.step, 12);
    const steps = Array.from({ length: 40 }, (_, i) => 13 + i);
    const long = steps.reduce((view, step) => withBarred(view, step, barred, `id${String(step)}`), later);
    assert.deepEqual(
      [11, 12, 36, 37, 51, 52].map((step) => attemptOf(long, step)),
      [0, 0, 0, 1, 1, 1],
      'as many as followers may be behind',
    );
  });

  it('tell which leaves came too late: those of shards that were taken away since they were asked for', () => {
    const barred = { shard: 1, worker: 'a', why: 'not finite', loss: null } as const;
    const next = withSkipped(withBarred(abc, 11, barred, 'id2'), 11, 4, 'id3');
    const isOutdated = (worker: string, shard: number, attempt: number) =>
      isOutdatedLeaf(next, { shard, step: 11, attempt }, worker);
    assert.deepEqual(
      [isOutdated('a', 1, 0), isOutdated('a', 1, 2), isOutdated('b', 1, 0)],
      [true, false, false],
    );
    assert.deepEqual(
      [isOutdated('b', 4, 1), isOutdated('b', 4, 2), isOutdated('b', 0, 0)],
      [true, false, false],
    );
    assert.equal(isOutdatedLeaf(next, { shard: 4, step: 12, attempt: 0 }, 'b'), false);
  });

  it('leave a leaf with its member when all are barred', () => {
    const one = firstView(undefined, 1, ['a'], 0, 'id', 2);
    const again = withBarred(one, 1, { shard: 1, worker: 'a', why: 'not finite', loss: null }, 'id2');
    assert.equal(computerOf(again, 1, 1), 'a');
    assert.equal(again.retry?.barred[0]?.attempt, 0);
  });
});
