import assert from 'node:assert/strict';
import { nextDigest, weightsSha256 } from '@lvnet/checkpoints';
import { referenceKernels as kernels } from '@lvnet/kernels';
import { adamUpdate, applyStatistics, buildNetwork } from '@lvnet/networks';
import { copyState, initialState, namedWeights } from './state.js';
import { bytesOf, tinyNetwork, tinySpec } from './tiny-run.fixture.js';
import { applyReduced } from './update.js';
import { readSummaries, vectorLayout, writeShard, type ShardSummary } from './vector-layout.js';

const network = buildNetwork(tinyNetwork);
const layout = vectorLayout(network.gradientLength, network.statisticsLength, 4, network.headNames);
const outcome = { sampleIds: ['a:0', 'a:4', 'b:3'], loss: 0.75 };

/** The sum of what the shards would send, each with a gradient and statistics of one value everywhere. */
function reduced(shards: readonly { samples: number; gradient: number; statistics: number }[]): Float32Array {
  const sum = new Float32Array(layout.length);
  shards.forEach(({ samples, gradient, statistics }, shard) => {
    if (samples === 0) return;
    const summary: ShardSummary = { samples, finite: true, gradientNorm: 1, total: 1, heads: [1, 1] };
    const vector = new Float32Array(layout.length);
    const filled = (length: number, value: number) => new Float32Array(length).fill(value);
    const parts = [
      filled(layout.gradientLength, gradient),
      filled(layout.statisticsLength, statistics),
    ] as const;
    writeShard(layout, shard, summary, ...parts, vector);
    vector.forEach((value, i) => (sum[i] = (sum[i] ?? 0) + value));
  });
  return sum;
}

const apply = (sum: Float32Array, o: { clipNorm?: number; step?: number } = {}) => {
  const spec = tinySpec({
    optimizer: { learningRate: 0.5, decayPerEpoch: 0.5, weightDecay: 0.25, clipNorm: o.clipNorm },
  });
  const state = { ...initialState(network, 1), step: o.step ?? 0 };
  const next = applyReduced(
    { spec, network, layout, kernels },
    state,
    sum,
    readSummaries(layout, sum),
    outcome,
  );
  return { before: initialState(network, 1), state, next };
};

describe('the update of a step', () => {
  const sum = reduced([
    { samples: 2, gradient: 1, statistics: 1 },
    { samples: 1, gradient: 4, statistics: 3 },
    { samples: 0, gradient: 0, statistics: 0 },
    { samples: 0, gradient: 0, statistics: 0 },
  ]);

  for (const samples of [1, 3, 4, 6, 16])
    it(`gives the bits of plain division by ${String(samples)} samples`, () => {
      const values = reduced([{ samples, gradient: 1, statistics: 1 }]);
      for (let i = 0; i < layout.gradientLength; i++) values[i] = Math.sin(i) * 10 ** ((i % 80) - 45);
      const { before, next } = apply(values);
      const gradient = values.slice(0, layout.gradientLength).map((value) => value / samples);
      adamUpdate(kernels, before.weights.parameters, gradient, before.optimizer, {
        ...{ learningRate: 0.5, weightDecay: 0.25, clipNorm: undefined },
      });
      assert.ok(bytesOf(next.weights.parameters).equals(bytesOf(before.weights.parameters)));
      // Of the weights alone Adam's first step hides the gradient's size.
      for (const moment of ['m', 'v'] as const)
        assert.ok(bytesOf(next.optimizer[moment]).equals(bytesOf(before.optimizer[moment])), moment);
    });

  it('takes the mean gradient over samples, the mean statistics over shards that have some', () => {
    const { before, next } = apply(sum);
    const gradient = new Float32Array(network.gradientLength).fill(2); // (2 * 1 + 1 * 4) / 3
    const options = { learningRate: 0.5, weightDecay: 0.25, clipNorm: undefined };
    adamUpdate(kernels, before.weights.parameters, gradient, before.optimizer, options);
    applyStatistics(before.weights, new Float32Array(network.statisticsLength).fill(2)); // (1 + 3) / 2
    assert.ok(bytesOf(next.weights.parameters).equals(bytesOf(before.weights.parameters)));
    assert.ok(bytesOf(next.weights.statistics).equals(bytesOf(before.weights.statistics)));
    assert.ok(bytesOf(next.optimizer.m).equals(bytesOf(before.optimizer.m)));
    assert.ok(bytesOf(next.optimizer.v).equals(bytesOf(before.optimizer.v)));
    assert.deepEqual([next.weights.batches, next.optimizer.step, next.step], [1, 1, 1]);
  });

  it('hashes the new weights and chains them', () => {
    const { before, next } = apply(sum);
    const sha = weightsSha256(namedWeights(network, next.weights));
    assert.equal(next.weightsSha256, sha);
    assert.equal(next.digest, nextDigest(before.digest, 1, outcome.sampleIds, sha));
  });

  it('moves by the learning rate of the epoch', () => {
    // Step 3 is the first of epoch 2: half the rate. Adam's first update moves by the rate, less roundings.
    const moved = (step: number) => {
      const { before, next } = apply(sum, { step });
      return (before.weights.parameters[0] ?? 0) - (next.weights.parameters[0] ?? 0);
    };
    assert.ok(Math.abs(moved(0) - 0.5) < 1e-6);
    assert.ok(Math.abs(moved(2) - 0.25) < 1e-6);
  });

  it('clips where it is told to', () => {
    const norm = 2 * Math.sqrt(network.gradientLength);
    assert.equal(apply(sum, { clipNorm: norm * 1.01 }).next.digest, apply(sum).next.digest);
    const { next } = apply(sum, { clipNorm: norm / 2 });
    const { before } = apply(sum);
    // First moment: a tenth of gradient and decay, 0.1 * (1 + 0.25 w), rounded a few times.
    next.optimizer.m.forEach((value, i) => {
      const expected = 0.1 * (1 + 0.25 * (before.weights.parameters[i] ?? 0));
      assert.ok(Math.abs(value - expected) <= 8 * 2 ** -24);
    });
  });

  it('remembers the last 64 losses', () => {
    const { state } = apply(sum);
    const spec = tinySpec();
    let current = copyState(network, { ...state, lossHistory: [] });
    for (let i = 0; i < 70; i++) {
      const facts = { sampleIds: [], loss: i };
      current = applyReduced(
        { spec, network, layout, kernels },
        current,
        sum,
        readSummaries(layout, sum),
        facts,
      );
    }
    assert.deepEqual(
      current.lossHistory,
      Array.from({ length: 64 }, (_, i) => i + 6),
    );
  });
});
