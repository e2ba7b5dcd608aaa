import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { fakeClock } from '@lvnet/core';
import { exchangeOver, type SessionPort } from './exchange.js';
import type { ExchangeFact, FromThread, Leaf, ToThread } from './messages.js';
import type { View } from './view.js';

const view: View = { life: 1, number: 1, id: 'v', members: [], nextFrom: null, retry: null };

/** What the main thread answers to a session that asks for these shards of step 5, each of which takes 2 s. */
async function answersTo(
  asked: readonly Pick<Extract<FromThread, { kind: 'compute' }>, 'shard' | 'skipped' | 'isCheck'>[],
) {
  const clock = fakeClock();
  const leaves: Leaf[] = [];
  const facts: ExchangeFact[] = [];
  let say: (message: FromThread) => void = () => undefined;
  const onRequest = (message: ToThread) => {
    if (message.kind === 'leaf') leaves.push(message);
    if (message.kind === 'leaf' && leaves.length === asked.length)
      say({ kind: 'reply', id: 1, reply: { kind: 'reduced', attempt: 0, view, bytesIn: 0, bytesOut: 0 } });
    if (message.kind !== 'request') return;
    for (const one of asked) say({ kind: 'compute', step: 5, attempt: 2, ...one });
  };
  const port: SessionPort = {
    post: onRequest,
    listen: (onMessage) => void (say = onMessage),
    close: () => Promise.resolve(),
  };
  const sums = [new SharedArrayBuffer(8), new SharedArrayBuffer(8)] as const;
  const exchange = exchangeOver(
    port,
    { worker: 'w1', length: 2, sums: [...sums] },
    {
      foundLife: () => Promise.resolve({ life: 1, step: 0 }),
      snapshot: () => ({ step: 4, bytes: new Uint8Array() }),
      onReport: (fact) => facts.push(fact),
      isEmpty: (step, shard) => step === 5 && shard === 3,
    },
    clock,
  );
  const compute = async () => {
    await clock.advance(2_000);
    return true;
  };
  const found = await exchange.reduce(5, 'sha', compute);
  return { leaves, facts, found };
}

describe('the main thread of a member, asked for shards', () => {
  const own = (shard: number) => ({ shard, skipped: false, isCheck: false });

  it('tells how long they took, but of those with nothing to compute', async () => {
    const { leaves } = await answersTo([own(1), { ...own(2), skipped: true }, own(3)]);
    assert.deepEqual(
      leaves.map(({ attempt, shard, seconds }) => [attempt, shard, seconds]),
      [
        [2, 1, 2],
        [2, 2, null],
        [2, 3, null],
      ],
    );
  });

  it('reports each, and whether it was for a check alone', async () => {
    const { facts, found } = await answersTo([own(1), { ...own(1), isCheck: true }]);
    const fact = { kind: 'computed', step: 5, shard: 1, seconds: 2 };
    assert.deepEqual(facts, [
      { ...fact, isCheck: false },
      { ...fact, isCheck: true },
    ]);
    assert.deepEqual(found.kind === 'reduced' ? found.computed : undefined, [1]);
  });

  it('lets go of a shard that outlives its seat: it reaches neither the next leaf nor the next request', async () => {
    const posted: ToThread[] = [];
    let say: (message: FromThread) => void = () => undefined;
    const port: SessionPort = {
      post: (message) => void posted.push(message),
      listen: (onMessage) => void (say = onMessage),
      close: () => Promise.resolve(),
    };
    const exchange = exchangeOver(
      port,
      { worker: 'w1', length: 2, sums: [new SharedArrayBuffer(8), new SharedArrayBuffer(8)] },
      {
        foundLife: () => Promise.resolve({ life: 1, step: 0 }),
        snapshot: () => ({ step: 4, bytes: new Uint8Array() }),
        onReport: () => undefined,
      },
      fakeClock(),
    );
    let loaded: () => void = () => undefined;
    const slowCase = new Promise<void>((resolve) => (loaded = resolve));
    const late: number[] = [];
    const lost = exchange.reduce(5, 'before', async (shard, out) => {
      late.push(shard);
      await slowCase;
      out.fill(555);
      throw new Error('of a seat that is lost');
    });
    for (const shard of [0, 1])
      say({ kind: 'compute', step: 5, attempt: 0, shard, skipped: false, isCheck: false });
    const evicted = { code: 'MEMBER_EVICTED', details: {}, message: 'too slow', hint: '' } as const;
    say({ kind: 'failed', id: 1, failure: evicted });
    await assert.rejects(lost, { code: 'MEMBER_EVICTED' });
    const found = exchange.reduce(9, 'after', (_, out) => {
      out.fill(999);
      return true;
    });
    say({ kind: 'compute', step: 9, attempt: 0, shard: 0, skipped: false, isCheck: false });
    await setImmediate();
    loaded();
    await setImmediate();
    const leaves = posted.filter((message): message is Leaf => message.kind === 'leaf');
    assert.deepEqual(
      leaves.map(({ step, buffer }) => [step, ...new Float32Array(buffer)]),
      [[9, 999, 999]],
    );
    assert.deepEqual(late, [0]);
    say({ kind: 'reply', id: 2, reply: { kind: 'reduced', attempt: 0, view, bytesIn: 0, bytesOut: 0 } });
    assert.equal((await found).kind, 'reduced');
  });
});
