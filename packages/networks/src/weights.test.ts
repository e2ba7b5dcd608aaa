import assert from 'node:assert/strict';
import { buildNetwork } from './network.js';
import { bytesOf } from './networks.fixture.js';
import { lengthOf } from './parameters.js';
import { applyStatistics, copyWeights, emptyWeights, initialWeights } from './weights.js';

const tiny = buildNetwork({ baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 });

describe('initial weights', () => {
  const network = buildNetwork({ blocksPerStage: 1, levels: 4 });
  const weights = initialWeights(network.config, 5);

  it('draws convolutions uniformly within one over the root of the fan in', () => {
    let judged = 0;
    for (const { name, fanIn, shape } of network.state) {
      const values = weights.byName.get(name);
      if (values === undefined || fanIn === 0) continue;
      const bound = 1 / Math.sqrt(fanIn);
      assert.ok(
        values.every((value) => Math.abs(value) <= Math.fround(bound)),
        name,
      );
      const count = lengthOf(shape);
      if (count < 100) continue;
      judged++;
      // Uniform in +-b: the mean of n has the deviation b / sqrt(3n), the mean square b^2/3 has b^2 sqrt(4/45n).
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      const square = values.reduce((sum, value) => sum + value ** 2, 0) / count;
      assert.ok(Math.abs(mean) <= (5 * bound) / Math.sqrt(3 * count), `${name}: mean ${String(mean)}`);
      const off = Math.abs(square - bound ** 2 / 3);
      assert.ok(off <= 5 * bound ** 2 * Math.sqrt(4 / 45 / count), `${name}: mean square ${String(square)}`);
    }
    assert.ok(judged > 25, `${String(judged)} tensors judged`);
  });

  it('knows the fan in of each kind of convolution', () => {
    const fanIns = Object.fromEntries(network.state.map(({ name, fanIn }) => [name, fanIn]));
    assert.equal(fanIns['stem.conv.weight'], 125);
    assert.equal(fanIns['enc1.0.depthwise.weight'], 125);
    assert.equal(fanIns['enc1.0.project.weight'], 64);
    assert.equal(fanIns['enc0.0.expand.bias'], 8);
    assert.equal(fanIns['enc0.0.bn1.weight'], 0);
  });

  it('starts batch norms at 1 and 0, running statistics at 0 and 1', () => {
    const starts: Record<string, number> = { weight: 1, bias: 0, running_mean: 0, running_var: 1 };
    for (const [name, values] of weights.byName) {
      const [, last = ''] = /\.bn\d?\.(\w+)$/.exec(name) ?? [];
      if (last !== '')
        assert.ok(
          values.every((value) => value === starts[last]),
          name,
        );
    }
    assert.equal(weights.batches, 0);
  });

  it('depends on seed and name alone: a layer more changes no other tensor', () => {
    const larger = initialWeights(buildNetwork({ blocksPerStage: 2, levels: 4, classes: 3 }).config, 5);
    let same = 0;
    for (const [name, values] of weights.byName) {
      const other = larger.byName.get(name);
      if (/^(head|output)/.test(name)) continue; // these have another shape
      assert.ok(other !== undefined && bytesOf(values).equals(bytesOf(other)), name);
      same++;
    }
    assert.equal(same, weights.byName.size - 8); // weight and bias of three heads and the output
  });

  it('differs between seeds and between names', () => {
    const other = initialWeights(network.config, 6);
    for (const name of ['stem.conv.weight', 'enc0.0.expand.bias', 'output.weight']) {
      assert.notDeepEqual(other.byName.get(name), weights.byName.get(name));
    }
    assert.notDeepEqual(
      weights.byName.get('enc0.0.expand.weight'),
      weights.byName.get('dec0.0.expand.weight'),
    );
  });
});

describe('weights as arrays', () => {
  it('are views of two flat arrays, in the order of the state', () => {
    const weights = emptyWeights(tiny.config);
    assert.equal(weights.parameters.length, tiny.gradientLength);
    assert.equal(weights.statistics.length, tiny.statisticsLength);
    weights.parameters.forEach((_, i) => (weights.parameters[i] = i));
    const joined = tiny.trained.flatMap(({ name }) => [...(weights.byName.get(name) ?? [])]);
    assert.deepEqual(joined, [...weights.parameters]);
    for (const { name, shape, kind } of tiny.state) {
      const length = weights.byName.get(name)?.length;
      assert.equal(length, kind === 'batchCount' ? undefined : lengthOf(shape), name);
    }
  });

  it('copies share nothing', () => {
    const weights = initialWeights(tiny.config, 1);
    const copy = copyWeights(tiny.config, weights);
    assert.deepEqual([copy.parameters, copy.statistics], [weights.parameters, weights.statistics]);
    copy.parameters.fill(7);
    copy.statistics.fill(7);
    assert.ok([...weights.byName.values()].every((values) => values.every((value) => value !== 7)));
    assert.ok([...copy.byName.values()].every((values) => values.every((value) => value === 7)));
  });
});

describe('running statistics', () => {
  it('move a tenth of the way to those of the batch, and count the batches', () => {
    const weights = emptyWeights(tiny.config);
    weights.statistics.fill(1);
    const batch = new Float32Array(tiny.statisticsLength).fill(3);
    applyStatistics(weights, batch);
    applyStatistics(weights, batch);
    // 1 -> 1.2 -> 1.38, each product and sum rounded to float32: six roundings of numbers below 2.
    assert.ok(weights.statistics.every((value) => Math.abs(value - 1.38) <= 6 * 2 ** -24 * 2));
    assert.equal(weights.batches, 2);
    applyStatistics(weights, batch, 1);
    assert.ok(weights.statistics.every((value) => value === 3));
  });
});
