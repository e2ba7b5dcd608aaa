import assert from 'node:assert/strict';
import {
  assertGradients,
  assertLosses,
  judged,
  largestDifference,
  movesOf,
  settings,
  type Setting,
} from './judged-network.fixture.js';
import { bothEngines } from './engines.fixture.js';
import { byName } from './networks.fixture.js';

describe('the whole network', function () {
  this.timeout(120_000);
  const engines = bothEngines();

  for (const [title, setting] of Object.entries(settings)) {
    it(`${title}: losses, statistics and the gradient of every tensor against float64`, () => {
      const shard = judged(engines, setting);
      assertLosses(shard);
      assertGradients(shard, (tensor) => tensor);
    });
  }

  it("agrees between the engines at the paper's depth, tensor by tensor", () => {
    const setting: Setting = {
      options: { baseWidth: 2, levels: 5, blocksPerStage: 2, expansionRate: 4, kernel: 5 },
      shape: [1, 16, 32, 32],
      eta: [0.2, 0.4, 0.6, 0.8],
    };
    const { network, weights, run } = judged(engines, setting);
    // Filter gradients add up some thousands of voxels in float32; the roundings of 4,096 come to about 64.
    const moves = movesOf(run, network, weights, ({ gradients }) => byName(network, gradients), 64);
    const [native, reference] = [run('native'), run('reference')].map(({ gradients }) =>
      byName(network, gradients),
    );
    assert.equal(moves.size, network.trained.length);
    let sharp = 0;
    for (const [name, move] of moves) {
      const expected = reference?.get(name) ?? new Float32Array();
      const off = largestDifference(native?.get(name), expected);
      assert.ok(off <= move, `${name} is off by ${String(off)}; rounding moves it by ${String(move)}`);
      if (move <= 1e-3 * Math.max(...expected.map(Math.abs))) sharp++;
    }
    const count = `${String(sharp)} of ${String(moves.size)} tensors`;
    assert.ok(sharp >= 0.6 * moves.size, `only ${count} are judged sharply`);
  });
});
