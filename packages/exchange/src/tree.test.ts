import assert from 'node:assert/strict';
import { referenceKernels } from '@lvnet/kernels';
import fc from 'fast-check';
import { bucketTable } from './buckets.js';
import { sumAlone } from './sum-alone.js';
import { additionsFor, cover, isKnown, isLeaf, pathTo, type Node } from './tree.js';

const name = ({ lo, hi }: Node) => `${String(lo)}-${String(hi)}`;

const within = (lo: number, hi: number) => (leaf: number) => leaf >= lo && leaf < hi;

describe('canonical tree', () => {
  it('covers held leaves by as few aligned subtrees as can be', () => {
    assert.deepEqual(cover(8, within(0, 8)).map(name), ['0-8']);
    assert.deepEqual(cover(8, within(1, 6)).map(name), ['1-2', '2-4', '4-6']);
    assert.deepEqual(cover(5, within(3, 5)).map(name), ['3-4', '4-5']);
    assert.deepEqual(cover(5, within(0, 4)).map(name), ['0-4']);
    assert.deepEqual(cover(5, within(2, 2)), []);
    assert.deepEqual(cover(6, (leaf) => leaf !== 2).map(name), ['0-2', '3-4', '4-6']);
    assert.deepEqual(cover(1, () => true).map(name), ['0-1']);
  });

  it('covers exactly what is held, whatever is', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), (held) => {
        const nodes = cover(held.length, (leaf) => held[leaf] === true);
        const covered = held.map((_, leaf) => nodes.filter(({ lo, hi }) => leaf >= lo && leaf < hi).length);
        assert.deepEqual(
          covered,
          held.map((isHeld) => (isHeld ? 1 : 0)),
        );
        for (const node of nodes)
          assert.ok(pathTo(held.length, node.lo).some((at) => name(at) === name(node)));
      }),
    );
  });

  it('names every node above a leaf', () => {
    assert.deepEqual(pathTo(5, 3).map(name), ['0-5', '0-4', '2-4', '3-4']);
    assert.deepEqual(pathTo(1, 0).map(name), ['0-1']);
  });

  it('gives the same bits however the leaves are spread over members', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 13 }), fc.integer(), (leaves, seed) => {
        const vectors = Array.from({ length: leaves }, (_, m) =>
          Float32Array.from({ length: 7 }, (__, i) =>
            Math.fround(Math.sin(m * 31 + i + seed) * 10 ** ((m % 5) - 2)),
          ),
        );
        const leaf = (node: Node) => (isLeaf(node) ? vectors[node.lo] : undefined);
        const valueOf = (node: Node, given: (node: Node) => Float32Array | undefined) => {
          const additions = additionsFor(node, given);
          assert.ok(additions !== undefined);
          const values = new Float32Array(7);
          const { sources, order } = additions;
          referenceKernels.addTree(sources, Int32Array.from(order), false, values);
          return values;
        };
        const root = { lo: 0, hi: leaves };
        const expected = valueOf(root, leaf);
        const members = 1 + Math.abs(seed % leaves);
        const partials = new Map<string, Float32Array>();
        for (let i = 0; i < members; i++) {
          const held = (shard: number) =>
            (shard * 7 + seed) % members === i || (shard * 7 + seed) % members === -i;
          for (const node of cover(leaves, held)) partials.set(name(node), valueOf(node, leaf));
        }
        assert.deepEqual(
          valueOf(root, (node) => partials.get(name(node))),
          expected,
        );
        assert.deepEqual(sumAlone(vectors, { wire: 'float32', roundedLength: 7 }), expected);
      }),
    );
  });

  it('adds left before right, and what is given not again', () => {
    const given = (held: readonly string[]) => (node: Node) =>
      held.includes(name(node)) ? name(node) : undefined;
    assert.deepEqual(additionsFor({ lo: 0, hi: 5 }, given(['0-1', '1-2', '2-4', '2-3', '4-5'])), {
      sources: ['0-1', '1-2', '2-4', '4-5'],
      order: [0, 1, -1, 2, -1, 3, -1],
    });
    assert.deepEqual(additionsFor({ lo: 0, hi: 4 }, given(['0-2', '2-3', '3-4'])), {
      sources: ['0-2', '2-3', '3-4'],
      order: [0, 1, 2, -1, -1],
    });
    assert.deepEqual(additionsFor({ lo: 3, hi: 4 }, given(['3-4'])), { sources: ['3-4'], order: [0] });
    assert.equal(additionsFor({ lo: 0, hi: 4 }, given(['0-2', '3-4'])), undefined);
  });

  it('knows when something is missing', () => {
    const one = Float32Array.of(1);
    assert.equal(
      isKnown({ lo: 0, hi: 2 }, (node) => (node.hi === 1 ? one : undefined)),
      false,
    );
    assert.equal(
      isKnown({ lo: 0, hi: 3 }, (node) =>
        node.lo === 0 && node.hi === 2 ? one : isLeaf(node) && node.lo === 2 ? one : undefined,
      ),
      true,
    );
  });

  it('rounds every node on a rounding wire', () => {
    const leaves = [1 + 2 ** -8, 2 ** -9, 2 ** -9, 2 ** -9].map((value) => Float32Array.of(value, value));
    // The first element is rounded to 8 bits at each node, the second is not.
    const sum = sumAlone(leaves, { wire: 'bf16', roundedLength: 1 });
    assert.deepEqual([...sum], [1, 1 + 2 ** -8 + 3 * 2 ** -9]);
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
