import assert from 'node:assert/strict';
import { meanLosses, readSummaries, vectorLayout, writeShard, type ShardSummary } from './vector-layout.js';

const summary = (over: Partial<ShardSummary> = {}): ShardSummary => ({
  samples: 2,
  finite: true,
  gradientNorm: 1.5,
  total: 0.75,
  heads: [0.5, 0.25],
  ...over,
});

describe('vector layout', () => {
  const layout = vectorLayout(3, 4, 2, ['main', '1']);

  it('lays gradient, statistics and one slot per shard behind each other', () => {
    assert.equal(layout.slotLength, 6);
    assert.equal(layout.length, 3 + 4 + 2 * 6);
  });

  it('shows every shard after the vectors are added', () => {
    const sum = new Float32Array(layout.length);
    for (const shard of [0, 1]) {
      const vector = new Float32Array(layout.length);
      const gradient = Float32Array.of(1, 2, 3);
      writeShard(
        layout,
        shard,
        summary({ samples: shard + 1, total: shard }),
        gradient,
        new Float32Array(4).fill(1),
        vector,
      );
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
    }
    assert.deepEqual([...sum.subarray(0, 7)], [3, 6, 9, 2, 2, 2, 2]);
    const [first, second] = readSummaries(layout, sum);
    assert.deepEqual([first?.samples, second?.samples], [1, 2]);
    assert.equal(meanLosses(layout, readSummaries(layout, sum)).total, 2 / 3);
  });

  it('leaves empty shards out of the means', () => {
    const summaries = [summary(), summary({ samples: 0, total: 0, heads: [0, 0] })];
    assert.deepEqual(meanLosses(layout, summaries), { total: 0.75, heads: { main: 0.5, 1: 0.25 } });
  });

  it('keeps the flag of a shard that is not finite', () => {
    const vector = new Float32Array(layout.length);
    writeShard(layout, 1, summary({ finite: false }), new Float32Array(3), new Float32Array(4), vector);
    assert.deepEqual(
      readSummaries(layout, vector).map((shard) => shard.finite),
      [false, false],
    );
    assert.equal(readSummaries(layout, vector)[1]?.samples, 2);
  });
});
