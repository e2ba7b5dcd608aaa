import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import fc from 'fast-check';
import { bruteDistances } from './brute-force.fixture.js';
import { caseMetricNames, evaluateCase, undefinedScore } from './case-metrics.js';
import { evaluateInThread } from './evaluate-thread.js';
import type { Spacing, VolumeShape } from './mask.js';
import { overlapMetrics } from './overlap.js';
import { percentile, surfaceMetrics } from './surface-metrics.js';
import { summarise } from './summary.js';

const near = (found: number | null, expected: number, tolerance: number) => {
  assert.ok(
    found !== null && Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${String(found)} is not ${String(expected)}`,
  );
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof Failure ? error.code : String(error);
  }
  return 'no failure';
};

function maskWith(shape: VolumeShape, ...points: [number, number, number][]): Uint8Array {
  const mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (const [x, y, z] of points) mask[x + shape[0] * (y + shape[1] * z)] = 1;
  return mask;
}

const pairs = fc
  .record({
    shape: fc.tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
    ),
    spacingMm: fc.constantFrom<Spacing>([1, 1, 1], [0.7, 0.7, 5], [2.5, 0.5, 1], [0.9, 3.1, 0.3]),
    density: fc.constantFrom(0.05, 0.3, 0.7, 1),
  })
  .chain(({ shape, spacingMm, density }) => {
    const size = shape[0] * shape[1] * shape[2];
    const voxel = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => (value < density ? 1 : 0));
    const mask = fc
      .array(voxel, { minLength: size, maxLength: size })
      .map((values) => Uint8Array.from(values));
    return fc.record({
      reference: mask,
      prediction: mask,
      shape: fc.constant<VolumeShape>(shape),
      spacingMm: fc.constant(spacingMm),
    });
  });

describe('overlap metrics', () => {
  it('are right for a case counted by hand', () => {
    const metrics = overlapMetrics({
      reference: Uint8Array.of(1, 1, 2, 0, 0, 1),
      prediction: Uint8Array.of(1, 0, 1, 0, 0, 0),
      shape: [6, 1, 1],
    });
    assert.deepEqual(metrics, { dice: 4 / 6, voe: 0.5, rvd: -0.5, rvdAbs: 0.5 });
  });

  it('agree with sets of voxels', () => {
    fc.assert(
      fc.property(pairs, (pair) => {
        const [r, p] = [pair.reference, pair.prediction].map(
          (mask) => new Set([...mask.entries()].filter(([, value]) => value > 0).map(([at]) => at)),
        );
        if (r === undefined || p === undefined || r.size === 0 || p.size === 0) return;
        const both = [...r].filter((at) => p.has(at)).length;
        const metrics = overlapMetrics(pair);
        near(metrics.dice, (2 * both) / (r.size + p.size), 1e-12);
        near(metrics.voe, 1 - both / new Set([...r, ...p]).size, 1e-12);
        near(metrics.rvd, p.size / r.size - 1, 1e-12);
      }),
      { numRuns: 200 },
    );
  });

  it('refuse masks of another size', () => {
    const pair = { reference: new Uint8Array(8), prediction: new Uint8Array(7), shape: [2, 2, 2] as const };
    assert.equal(
      codeOf(() => overlapMetrics(pair)),
      'VOLUME_SHAPE_MISMATCH',
    );
  });
});

describe('surface metrics', () => {
  it('of two single voxels are their Euclidean distance', () => {
    const shape: VolumeShape = [12, 9, 9];
    const pair = {
      reference: maskWith(shape, [4, 5, 6]),
      prediction: maskWith(shape, [10, 2, 3]),
      shape,
      spacingMm: [0.5, 2, 3] as const,
    };
    const expected = Math.hypot(3, 6, 9);
    const { assdMm, rmsdMm, mssdMm, hd95Mm } = surfaceMetrics(pair);
    for (const value of [assdMm, rmsdMm, mssdMm, hd95Mm]) near(value, expected, 1e-15);
  });

  it('of equal masks are 0, at the edge of the volume too', () => {
    const mask = new Uint8Array(4 * 5 * 6).fill(1);
    const metrics = surfaceMetrics({
      reference: mask,
      prediction: mask,
      shape: [4, 5, 6],
      spacingMm: [1, 2, 3],
    });
    assert.deepEqual(metrics, { assdMm: 0, rmsdMm: 0, mssdMm: 0, hd95Mm: 0 });
  });

  for (const neighbourhood of [6, 18] as const) {
    for (const mean of ['pooled', 'directed'] as const) {
      it(`agree with brute force (${String(neighbourhood)} neighbours, ${mean} mean)`, () => {
        fc.assert(
          fc.property(pairs, (pair) => {
            const { reference, prediction, shape, spacingMm } = pair;
            const reach = neighbourhood === 6 ? 1 : 2;
            const there = bruteDistances(prediction, reference, shape, spacingMm, reach);
            const back = bruteDistances(reference, prediction, shape, spacingMm, reach);
            const metrics = surfaceMetrics(pair, { neighbourhood, mean });
            if (there.length === 0 || back.length === 0) {
              assert.deepEqual(new Set(Object.values(metrics)), new Set([null]));
              return;
            }
            const lists = mean === 'pooled' ? [[...there, ...back]] : [there, back];
            near(metrics.assdMm, average(lists.map(average)), 1e-12);
            near(
              metrics.rmsdMm,
              Math.sqrt(average(lists.map((list) => average(list.map((d) => d * d))))),
              1e-12,
            );
            const joined = Float64Array.from([...there, ...back]).sort();
            near(metrics.mssdMm, joined.at(-1) ?? 0, 1e-12);
            near(metrics.hd95Mm, percentile(joined, 0.95), 1e-12);
          }),
          { numRuns: 300 },
        );
      });
    }
  }

  it('interpolate percentiles linearly', () => {
    const cases: [number[], number, number][] = [
      [[7], 0.95, 7],
      [[0, 10], 0.95, 9.5],
      [[0, 1, 2, 3, 4], 0.5, 2],
      [[0, 0, 0, 0, 4, 8], 0.9, 6],
    ];
    for (const [values, fraction, expected] of cases)
      near(percentile(Float64Array.from(values), fraction), expected, 1e-12);
  });

  it('refuse a spacing that cannot be', () => {
    const mask = Uint8Array.of(1);
    for (const mm of [0, -1, NaN, Infinity]) {
      const pair = {
        reference: mask,
        prediction: mask,
        shape: [1, 1, 1] as const,
        spacingMm: [1, mm, 1] as const,
      };
      assert.equal(
        codeOf(() => surfaceMetrics(pair)),
        'ARGUMENT_INVALID',
      );
    }
  });
});

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a case with an empty mask', () => {
  const [empty, full] = [new Uint8Array(8), new Uint8Array(8).fill(1)];
  const rest = { shape: [2, 2, 2] as const, spacingMm: [1, 1, 1] as const };
  const sides: [string, Uint8Array, Uint8Array][] = [
    ['reference', empty, full],
    ['prediction', full, empty],
    ['both', empty, empty],
  ];
  for (const [what, reference, prediction] of sides) {
    it(`(${what}) has Dice 0, VOE 1 and nothing else`, () => {
      const { dice, voe, ...others } = evaluateCase({ reference, prediction, ...rest });
      assert.deepEqual([dice, voe, ...new Set(Object.values(others))], [0, 1, null]);
    });

    it(`(${what}) scores 9001 as the LiTS scorer has it`, () => {
      const metrics = evaluateCase({ reference, prediction, ...rest }, { litsScorer: true });
      const { dice, voe, ...others } = metrics;
      assert.deepEqual([dice, voe, ...new Set(Object.values(others))], [0, 1, undefinedScore]);
    });
  }

  it('is left out of the mean and counted', () => {
    const good = evaluateCase({ reference: full, prediction: full, ...rest });
    const bad = evaluateCase({ reference: full, prediction: empty, ...rest });
    const { mean, undefined: missing } = summarise([good, bad, good]);
    near(mean.dice, 2 / 3, 1e-15);
    assert.equal(mean.assdMm, 0);
    assert.deepEqual([missing.dice, missing.voe, missing.rvd, missing.hd95Mm], [0, 0, 1, 1]);
    assert.deepEqual(Object.keys(mean), [...caseMetricNames]);
    assert.equal(summarise([bad]).mean.assdMm, null);
  });
});

describe('evaluateInThread', () => {
  const pair = {
    reference: Uint8Array.of(1, 1, 0, 0),
    prediction: Uint8Array.of(0, 1, 1, 0),
    shape: [4, 1, 1] as const,
    spacingMm: [2, 1, 1] as const,
  };

  it('gives what evaluateCase gives', async () => {
    assert.deepEqual(await evaluateInThread(pair), evaluateCase(pair));
  });

  it('fails as evaluateCase fails', async () => {
    const broken = evaluateInThread({ ...pair, spacingMm: [0, 1, 1] });
    await assert.rejects(broken, (error) => error instanceof Failure && error.code === 'ARGUMENT_INVALID');
  });

  it('can be cancelled', async () => {
    const controller = new AbortController();
    const running = evaluateInThread(pair, { signal: controller.signal });
    controller.abort();
    await assert.rejects(running, (error) => error instanceof Failure && error.code === 'CANCELLED');
  });
});
