import assert from 'node:assert/strict';
import { createLocalSegments } from '@lvnet/kernels';
import type { Argument } from './blob-client.js';
import { bucketTable, type Bucket } from './buckets.js';
import { createFloats, createHalves } from './memory.js';
import { createNotices } from './notices.js';
import { createPeerMemory } from './peer-memory.js';
import type { Reply, Sink } from './resp.js';
import { createStepExchange } from './step-exchange.js';
import { tensorKey, type TensorKey } from './tensor-keys.js';
import { firstView, ownerOf, type View } from './view.js';
import { encodePart } from './wire.js';

const [run, step, shards] = ['r', 1, 2];
const buckets = bucketTable(1);
const [bucket] = buckets as [Bucket];
const wire = { format: 'float32', roundedLength: 0 } as const;
const sha = 'ab'.repeat(32);
const first = firstView(undefined, 1, ['a', 'b'], 0, 'first', shards);
const owner = ownerOf(first, 0, step) ?? '';
const other = owner === 'a' ? 'b' : 'a';
/** The step is done again, since a check found that who does not own the bucket computed its shard wrongly. */
const again: View = {
  ...first,
  ...{ number: 2, id: 'again' },
  retry: {
    ...{ step, attempt: 1, skip: [] },
    barred: [{ shard: shardOf(other), worker: other, why: 'differs', attempt: 0, loss: null }],
  },
};

function shardOf(worker: string): number {
  return first.members.findIndex((member) => member.worker === worker);
}

const keyOf = (attempt: number, shard?: number): TensorKey => ({
  position: { life: 1, step, attempt },
  bucket: 0,
  node: shard === undefined ? undefined : { lo: shard, hi: shard + 1 },
});

/** One member's step, with the memory that it shares with the other, and a server that answers when it is told to. */
function member(worker: string) {
  const segments = createLocalSegments();
  const [own, theirs] = [1, 2].map((seed) =>
    createPeerMemory(segments, buckets, wire, new Uint8Array(16).fill(seed)),
  ) as [ReturnType<typeof createPeerMemory>, ReturnType<typeof createPeerMemory>];
  own.open('them', theirs.address ?? '');
  const put: string[] = [];
  const asked: { name: string; sink: Sink | undefined; resolve: (reply: Reply) => void }[] = [];
  const command = (args: readonly Argument[], sink?: Sink): Promise<Reply> => {
    if (args[0] !== 'GET') return Promise.resolve(0);
    return new Promise((resolve) => asked.push({ name: String(args[1]), sink, resolve }));
  };
  const link = { command };
  const peers: typeof own = {
    ...own,
    put(key, ...rest) {
      put.push(`${tensorKey(run, key)} ${String(rest[1][0])}`);
      return own.put(key, ...rest);
    },
  };
  const sum = new Float32Array(1);
  const exchange = createStepExchange(
    {
      ...{ link, notices: createNotices(link), run, worker, shards, buckets, wire, peers },
      ...{ memory: createFloats(), halves: createHalves(), isNear: () => true, expireSeconds: 10 },
      onProgress: () => undefined,
      onStrange: () => undefined,
    },
    step,
    sha,
    sum,
  );
  const give = (key: TensorKey, value: number) => {
    theirs.put(key, bucket, Float32Array.of(value), sha);
    exchange.announced(key, 'them');
  };
  /** A later step takes the place of what was given. */
  const overwrite = (value: number) => {
    theirs.release(step);
    const later = { position: { life: 1, step: step + 2, attempt: 0 }, bucket: 0, node: undefined };
    theirs.put(later, bucket, Float32Array.of(value), sha);
  };
  return { exchange, put, asked, give, overwrite, sum };
}

/** The server's answer, poured where the member wanted it. */
function answer({ sink, resolve }: ReturnType<typeof member>['asked'][number], value: number): void {
  const bytes = Buffer.concat(encodePart(wire, bucket, Float32Array.of(value), sha, createHalves()).pieces);
  let at = 0;
  for (const piece of sink?.(bytes.length) ?? []) piece.set(bytes.subarray(at, (at += piece.length)));
  resolve(Buffer.alloc(0));
}

describe('a step that is done again', () => {
  it('does not get the sum of the attempt before under its key', async () => {
    const { exchange, put, give, sum } = member(owner);
    exchange.leaf(shardOf(owner), Float32Array.of(1));
    exchange.advance(first, new Set([shardOf(owner)]), false);
    await exchange.idle();
    give(keyOf(0, shardOf(other)), 100); // wrong, as a check finds out meanwhile
    exchange.advance(first, new Set([shardOf(owner)]), false);
    exchange.advance(again, new Set([0, 1]), true);
    await exchange.idle();
    assert.deepEqual(put, [], 'told of nothing');
    exchange.leaf(shardOf(other), Float32Array.of(2));
    exchange.advance(again, new Set([0, 1]), false);
    await exchange.idle();
    assert.deepEqual(put, [`${tensorKey(run, keyOf(1))} 3`]);
    assert.deepEqual([...sum], [3]);
    assert.equal(exchange.isDone(again), true);
  });

  it('does not get the sum of the attempt before into its place', async () => {
    const { exchange, asked, give, sum } = member(other);
    exchange.advance(first, new Set(), true);
    assert.equal(asked[0]?.name, tensorKey(run, keyOf(0)));
    give(keyOf(1), 3);
    exchange.advance(again, new Set(), true);
    await new Promise(setImmediate);
    answer(asked[0], 101); // late
    await exchange.idle();
    exchange.advance(again, new Set(), true);
    await exchange.idle();
    assert.deepEqual([...sum], [3]);
    assert.equal(exchange.isDone(again), true);
  });
});

describe('a part in the memory of another member', () => {
  it('is not used once it is overwritten, but looked for on the server', async () => {
    const { exchange, asked, give, overwrite, sum } = member(owner);
    give(keyOf(0, shardOf(other)), 2);
    exchange.advance(first, new Set(), false);
    await exchange.idle();
    overwrite(100);
    exchange.leaf(shardOf(owner), Float32Array.of(1));
    exchange.advance(first, new Set([shardOf(owner)]), false);
    await exchange.idle();
    assert.equal(exchange.isDone(first), false);
    exchange.advance(first, new Set([shardOf(owner)]), true);
    await new Promise(setImmediate);
    const [question] = asked;
    assert.ok(question?.name === tensorKey(run, keyOf(0, shardOf(other))));
    answer(question, 2);
    await exchange.idle();
    assert.deepEqual([...sum], [3]);
    assert.equal(exchange.isDone(first), true);
  });
});
