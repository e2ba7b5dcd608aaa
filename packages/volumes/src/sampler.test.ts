import fc from 'fast-check';
import assert from 'node:assert/strict';
import {
  blockStarts,
  cutBlock,
  epochSamples,
  stepSamples,
  stepsPerEpoch,
  type SampledCase,
} from './sampler.js';

describe('blockStarts', () => {
  const table: readonly (readonly [number, number, number, number[]])[] = [
    [32, 16, 0, [0, 16]],
    [32, 16, 5, [0, 16]],
    [33, 16, 0, [0, 16, 17]],
    [33, 16, 4, [0, 12, 17]],
    [33, 16, 15, [0, 1, 17]],
    [16, 16, 9, [0]],
    [5, 16, 3, [0]],
    [1, 1, 0, [0]],
  ];
  for (const [depth, slices, phase, expected] of table) {
    it(`cuts ${String(depth)} slices into blocks of ${String(slices)} at phase ${String(phase)}`, () => {
      assert.deepEqual(blockStarts(depth, slices, phase), expected);
    });
  }

  it('covers every slice with the same count of blocks at any phase, and overlaps only at the ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(1000),
        (depth, slices, phase) => {
          const starts = blockStarts(depth, slices, phase);
          assert.equal(starts.length, Math.ceil(depth / slices));
          const covered = new Uint8Array(depth);
          for (const start of starts) covered.fill(1, start, start + slices);
          assert.ok(covered.every((value) => value === 1));
          assert.ok(starts.every((start) => start >= 0 && start <= Math.max(0, depth - slices)));
          const inner = starts.slice(1, -1);
          assert.ok(inner.every((start, i) => i === 0 || start - (inner[i - 1] ?? 0) === slices));
        },
      ),
    );
  });
});

const cases: SampledCase[] = [
  { id: 'a', depth: 100, liver: [40, 59] },
  { id: 'b', depth: 20, liver: [0, 3] },
  { id: 'c', depth: 7, liver: [2, 4] },
  { id: 'd', depth: 40, liver: null },
];

describe('epochSamples', () => {
  it('depends on seed and epoch alone, and differs between epochs', () => {
    const o = { seed: 7, epoch: 3, cases, slices: 16, blocks: 'all' } as const;
    assert.deepEqual(epochSamples(o), epochSamples({ ...o }));
    assert.notDeepEqual(epochSamples(o), epochSamples({ ...o, epoch: 4 }));
    assert.notDeepEqual(epochSamples(o), epochSamples({ ...o, seed: 8 }));
  });

  it('keeps the drawn order of a fixed seed', () => {
    const samples = epochSamples({ seed: 1, epoch: 1, cases: cases.slice(1, 3), slices: 16, blocks: 'all' });
    assert.deepEqual(samples.map(({ case: id, start }) => `${id}${String(start)}`).sort(), [
      'b0',
      'b4',
      'c0',
    ]);
  });

  it('has the blocks that stepsPerEpoch counts, in every epoch, and stepSamples hands out each once', () => {
    for (const blocks of ['all', 'liver'] as const) {
      const steps = stepsPerEpoch({ cases, slices: 16, blocks, batch: 4 });
      for (let epoch = 1; epoch <= 20; epoch++) {
        const samples = epochSamples({ seed: 7, epoch, cases, slices: 16, blocks });
        const handed = Array.from({ length: steps }, (_, i) => stepSamples(samples, 4, i));
        assert.deepEqual(handed.flat(), samples);
        assert.ok(handed.every((batch) => batch.length > 0));
        assert.deepEqual(stepSamples(samples, 4, steps), []);
      }
    }
  });

  it('keeps to the liver and its margin where asked', () => {
    const samples = epochSamples({ seed: 7, epoch: 1, cases, slices: 16, blocks: 'liver' });
    assert.ok(
      samples.every(({ case: id, start }) => id !== 'd' && (id !== 'a' || (start >= 36 && start + 16 <= 64))),
    );
    assert.deepEqual(
      samples.filter(({ case: id }) => id === 'b'),
      [{ case: 'b', start: 0 }],
    );
  });

  it('says that there is nothing to train on', () => {
    assert.throws(() => stepsPerEpoch({ cases: cases.slice(3), slices: 16, blocks: 'liver', batch: 1 }), {
      code: 'DATASET_INVALID',
    });
  });
});

describe('cutBlock', () => {
  const prepared = {
    depth: 3,
    rows: 1,
    columns: 2,
    image: Float32Array.of(0, 1, 10, 11, 20, 21),
    label: Uint8Array.of(0, 0, 1, 1, 2, 2),
  };
  it('copies the slices asked for', () => {
    const { image, label } = cutBlock(prepared, 1, 2);
    assert.deepEqual(
      [[...image], [...label]],
      [
        [10, 11, 20, 21],
        [1, 1, 2, 2],
      ],
    );
    assert.notEqual(image.buffer, prepared.image.buffer);
  });
  it('repeats the edge slices of a scan that is too short', () => {
    const { image, label } = cutBlock(prepared, 0, 6);
    assert.deepEqual([...image], [0, 1, 0, 1, 10, 11, 20, 21, 20, 21, 20, 21]);
    assert.deepEqual([...label], [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2]);
  });
});
