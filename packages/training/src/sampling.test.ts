import assert from 'node:assert/strict';
import { createStepSampler, sampleId } from './sampling.js';
import { tinySpec } from './tiny-run.fixture.js';

describe('the sampler of steps', () => {
  const spec = tinySpec();
  const idsOf = (step: number, of = spec) =>
    createStepSampler(of)
      .shards(step)
      .map((samples) => samples.map(sampleId));

  it('takes every block of every case once in an epoch', () => {
    for (const [first, last] of [
      [1, 2],
      [3, 4],
      [5, 6],
    ] as const) {
      const ids = [...idsOf(first), ...idsOf(last)].flat();
      assert.equal(ids.length, 5); // ceil(10 / 4) + ceil(7 / 4)
      assert.equal(new Set(ids).size, 5);
      assert.deepEqual(ids.map((id) => id.slice(0, 1)).sort(), ['a', 'a', 'a', 'b', 'b']);
    }
  });

  it('leaves the last shards of the short last step empty', () => {
    assert.deepEqual(
      idsOf(1).map((ids) => ids.length),
      [1, 1, 1, 1],
    );
    assert.deepEqual(
      idsOf(2).map((ids) => ids.length),
      [1, 0, 0, 0],
    );
    const halves = tinySpec({ shards: 2 });
    assert.deepEqual(
      [1, 2].map((step) => idsOf(step, halves).map((ids) => ids.length)),
      [
        [2, 2],
        [1, 0],
      ],
    );
  });

  it('takes the same samples in the same order for any number of shards', () => {
    for (const step of [1, 2, 3]) {
      const flat = [1, 2, 4].map((shards) => idsOf(step, tinySpec({ shards })).flat());
      assert.deepEqual(flat, [flat[0], flat[0], flat[0]]);
    }
  });

  it('depends on seed and step alone, not on what was asked before', () => {
    const sampler = createStepSampler(spec);
    for (const step of [6, 1, 4, 2, 3, 1, 5]) {
      assert.deepEqual(
        sampler.shards(step).map((samples) => samples.map(sampleId)),
        idsOf(step),
      );
    }
    assert.notDeepEqual([idsOf(1), idsOf(2)], [idsOf(3), idsOf(4)]);
    const other = tinySpec({ seed: 4 });
    assert.notDeepEqual([idsOf(1), idsOf(2)], [idsOf(1, other), idsOf(2, other)]);
  });
});
