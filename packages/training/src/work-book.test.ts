import assert from 'node:assert/strict';
import type { Member, View } from '@lvnet/exchange';
import { createWorkBook, type Computation } from './work-book.js';

const member = (worker: string, lo: number, hi: number): Member => ({
  ...{ worker, range: { lo, hi }, next: { lo, hi }, weight: 1, fromStep: 0, source: 'checkpoint' },
});
/** Two members with two of four shards each. */
const view = (more: Partial<View> = {}): View => ({
  ...{ life: 1, number: 3, id: 'v', nextFrom: null, retry: null },
  members: [member('w1', 0, 2), member('w2', 2, 4)],
  ...more,
});
const retry = (more: Partial<NonNullable<View['retry']>>) =>
  view({ retry: { step: 7, attempt: 1, barred: [], skip: [], ...more } });
const computed = (shard: number, seconds: number, isCheck = false): Computation => ({
  ...{ step: 7, shard, seconds, isCheck },
});

/** Of what w1 did for step 7. */
function judged(done: readonly Computation[], committedWith = view()) {
  const book = createWorkBook('w1', 4);
  for (const one of done) book.computed(one);
  return book.committed(7, committedWith);
}

describe('what became of the shards that a member computed', () => {
  it('is nothing but the step where all went well', () => {
    assert.deepEqual(judged([computed(0, 1), computed(1, 1)]), { shards: 2, waste: [] });
  });

  it('tells what was computed to compare', () => {
    assert.deepEqual(judged([computed(0, 1), computed(1, 1), computed(0, 0.5, true), computed(3, 2, true)]), {
      shards: 2,
      waste: [{ outcome: 'repeated', cause: 'check', shards: 2, seconds: 2.5 }],
    });
  });

  it("tells what was computed in another's place", () => {
    assert.deepEqual(judged([computed(0, 1), computed(1, 1), computed(3, 4)]), {
      shards: 2,
      waste: [{ outcome: 'repeated', cause: 'speculated', shards: 1, seconds: 4 }],
    });
  });

  it('counts as its own what it took over from one who is gone', () => {
    const alone = view({ members: [member('w1', 0, 4)] });
    const all = [0, 1, 2, 3].map((shard) => computed(shard, 1));
    assert.deepEqual(judged(all, alone), { shards: 4, waste: [] });
  });

  it('tells what an attempt discarded: computed again here, or by another', () => {
    const again = [computed(0, 1), computed(1, 2), computed(1, 3)];
    const wasted = (seconds: number) => ({ outcome: 'wasted', cause: 'discarded', shards: 1, seconds });
    assert.deepEqual(judged(again, retry({})), { shards: 2, waste: [wasted(2)] });
    const barred = [{ shard: 1, worker: 'w1', why: 'loss spike', attempt: 0, loss: 9 }] as const;
    const elsewhere = [computed(0, 1), computed(1, 2)];
    assert.deepEqual(judged(elsewhere, retry({ barred })), { shards: 1, waste: [wasted(2)] });
    const skipped = [computed(0, 1), computed(1, 2), computed(1, 0)]; // without its samples
    assert.deepEqual(judged(skipped, retry({ skip: [1] })), { shards: 2, waste: [wasted(2)] });
  });

  it('is all wasted where the member loses its seat, and is told once', () => {
    const book = createWorkBook('w1', 4);
    for (const one of [computed(0, 1), computed(1, 2, true)]) book.computed(one);
    const waste = [{ outcome: 'wasted', cause: 'evicted', shards: 2, seconds: 3 }];
    assert.deepEqual(book.lost('evicted'), waste);
    assert.deepEqual(book.lost('failed'), []);
    book.computed({ ...computed(0, 1), step: 6 });
    assert.deepEqual(book.committed(7, view()), { shards: 0, waste: [] }, 'of another step');
  });
});
