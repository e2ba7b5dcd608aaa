import assert from 'node:assert/strict';
import { bucketTable } from './buckets.js';
import { sumAlone } from './sum-alone.js';
import { cover, sumNode, type Node } from './tree.js';
import { firstView, ownerOf, rangeOf, withNewcomers, without } from './view.js';
import { createParser, type Reply } from './blob-client.js';
import { decodePart, encodePart } from './wire.js';

const plain = {
  add: (into: Float32Array, from: Float32Array) => {
    for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) + (from[i] ?? 0);
  },
  round: () => undefined,
};

describe('canonical tree', () => {
  it('covers any range by aligned subtrees', () => {
    assert.deepEqual(cover(8, 0, 8), [{ lo: 0, hi: 8 }]);
    assert.deepEqual(cover(8, 1, 6), [
      { lo: 1, hi: 2 },
      { lo: 2, hi: 4 },
      { lo: 4, hi: 6 },
    ]);
    assert.deepEqual(cover(5, 3, 5), [
      { lo: 3, hi: 4 },
      { lo: 4, hi: 5 },
    ]);
    assert.deepEqual(cover(5, 2, 2), []);
  });

  it('gives the same bits however the leaves are spread over members', () => {
    for (const leaves of [1, 2, 3, 5, 8, 13]) {
      const vectors = Array.from({ length: leaves }, (_, m) =>
        Float32Array.from({ length: 7 }, (__, i) => Math.fround(Math.sin(m * 31 + i) * 10 ** ((m % 5) - 2))),
      );
      const leafOnly = (node: Node) => (node.hi - node.lo === 1 ? vectors[node.lo] : undefined);
      const expected = sumNode({ lo: 0, hi: leaves }, leafOnly, plain);
      for (let members = 1; members <= leaves; members++) {
        const partials = new Map<string, Float32Array>();
        for (let i = 0; i < members; i++) {
          const [lo, hi] = [Math.floor((leaves * i) / members), Math.floor((leaves * (i + 1)) / members)];
          for (const node of cover(leaves, lo, hi)) {
            const part = sumNode(node, leafOnly, plain);
            assert.ok(part !== undefined);
            partials.set(`${String(node.lo)}-${String(node.hi)}`, part);
          }
        }
        const given = (node: Node) => partials.get(`${String(node.lo)}-${String(node.hi)}`);
        assert.deepEqual(sumNode({ lo: 0, hi: leaves }, given, plain), expected);
      }
      assert.deepEqual(sumAlone(vectors, { wire: 'float32', roundedLength: 7 }), expected);
    }
  });

  it('knows when something is missing', () => {
    const one = Float32Array.of(1);
    assert.equal(
      sumNode({ lo: 0, hi: 2 }, (node) => (node.hi === 1 ? one : undefined), plain),
      undefined,
    );
  });
});

describe('buckets', () => {
  it('cover the vector without gaps, each below 1 MiB', () => {
    for (const length of [1, 7, 16, 1_000, 1_686_530, 9_000_000]) {
      const table = bucketTable(length);
      assert.equal(table[0]?.start, 0);
      assert.equal(table.at(-1)?.end, length);
      for (const [i, bucket] of table.entries()) {
        assert.ok(bucket.end > bucket.start && (bucket.end - bucket.start) * 4 <= 2 ** 20);
        if (i > 0) assert.equal(bucket.start, table[i - 1]?.end);
      }
    }
  });
});

describe('views', () => {
  const view = firstView(undefined, 3, ['a', 'b', 'c'], 10, 'id');

  it('give every leaf to one member and every bucket an owner', () => {
    const ranges = ['a', 'b', 'c'].map((worker) => rangeOf(view, worker, 5));
    assert.deepEqual(ranges, [
      { lo: 0, hi: 1 },
      { lo: 1, hi: 3 },
      { lo: 3, hi: 5 },
    ]);
    assert.equal(rangeOf(view, 'x', 5), undefined);
    assert.deepEqual(
      [0, 1, 2, 3].map((bucket) => ownerOf(view, bucket)),
      ['a', 'b', 'c', 'a'],
    );
  });

  it('lose and gain members, never more than there is room for', () => {
    const fewer = without(view, ['b'], 'id2');
    assert.deepEqual([fewer.life, fewer.number, fewer.members.map((m) => m.worker)], [3, 2, ['a', 'c']]);
    const more = withNewcomers(fewer, ['a', 'd', 'e'], 12, 3, 'id3');
    assert.deepEqual(more.members.at(-1), { worker: 'd', fromStep: 12, source: 'peer' });
    assert.equal(more.members.length, 3);
  });
});

describe('wire', () => {
  const sha = 'ab'.repeat(32);
  const bucket = { index: 0, start: 2, end: 8 };

  it('carries float32 and bf16 parts with the hash of the weights', () => {
    const values = Float32Array.of(1, 2, 3, 4, 5, 0.1);
    for (const format of ['float32', 'bf16'] as const) {
      const wire = { format, roundedLength: 5 };
      const message = encodePart(wire, bucket, values, sha);
      assert.equal(message.length, 32 + (format === 'bf16' ? 3 * 2 + 3 * 4 : 6 * 4));
      assert.deepEqual(decodePart(wire, bucket, Buffer.from(message)), { weightsSha256: sha, values });
      assert.equal(decodePart(wire, bucket, Buffer.from(message.slice(1))), undefined);
    }
  });
});

describe('reply parser', () => {
  it('reads replies however the stream is cut', () => {
    const stream = Buffer.from(
      '+OK\r\n:42\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n*2\r\n$1\r\na\r\n*1\r\n:7\r\n-ERR no\r\n*0\r\n',
    );
    for (let cut = 1; cut <= stream.length; cut++) {
      const replies: Reply[] = [];
      const parse = createParser((reply) => replies.push(reply));
      for (let at = 0; at < stream.length; at += cut) parse(stream.subarray(at, at + cut));
      assert.deepEqual(
        replies.map((reply) => (reply instanceof Error ? reply.message : JSON.stringify(textOf(reply)))),
        ['"OK"', '42', '"he\\r\\no"', '""', 'null', '["a",[7]]', 'ERR no', '[]'],
      );
    }
  });
});

const textOf = (reply: Reply): unknown =>
  Buffer.isBuffer(reply) ? reply.toString() : Array.isArray(reply) ? reply.map(textOf) : reply;
