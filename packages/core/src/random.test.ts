import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { counterRandom } from './random.js';

const MASK = (1n << 64n) - 1n;
const GOLDEN = 0x9e3779b97f4a7c15n;

/** SplitMix64 as published, on whole numbers of any length. */
function published(key: readonly (string | number)[], counter: bigint): number {
  const base = createHash('sha256').update(JSON.stringify(key)).digest().readBigUInt64LE(0);
  let z = (base + counter * GOLDEN + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return Number((z ^ (z >> 31n)) >> 32n);
}

describe('counter-based random numbers', () => {
  it('are those of SplitMix64, for every key and counter', () => {
    for (const key of [['a'], ['b', 7], [7, 'stem.conv.weight'], ['', -1]]) {
      const random = counterRandom(...key);
      const counters = [...Array(2_000).keys(), 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, 2 ** 52];
      for (const counter of counters)
        assert.equal(random.uint32At(counter), published(key, BigInt(counter)), String(counter));
    }
  });

  it('fill an array with what stands in each place', () => {
    const random = counterRandom('fill', 3);
    for (const values of [new Float32Array(5_000), new Float64Array(5_000)]) {
      random.fill(values, 0.3);
      const expected = values.map((_, i) => (random.uniformAt(i) * 2 - 1) * 0.3);
      assert.deepEqual(values, expected);
    }
  });

  it('are uniform in [0, 1), and below a bound', () => {
    const random = counterRandom('uniform');
    const values = Array.from({ length: 20_000 }, () => random.next());
    assert.ok(values.every((value) => value >= 0 && value < 1));
    // The mean of n uniform numbers has the deviation 1 / sqrt(12 n): five of them.
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.ok(Math.abs(mean - 0.5) <= 5 / Math.sqrt(12 * values.length));
    assert.ok(Array.from({ length: 100 }, () => random.below(3)).every((value) => [0, 1, 2].includes(value)));
  });
});
