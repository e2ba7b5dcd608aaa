import assert from 'node:assert/strict';
import {
  assertLinear,
  assertRefused,
  assertSlopes,
  assertStable,
  bothEngines,
  measure,
  measureNative,
  numbers,
  trialOf,
  type Results,
  type Trial,
} from './engine.fixture.js';
import {
  concatChannels,
  groupNorm,
  maxPool,
  prelu,
  relu,
  repeatChannel,
  resize,
  takeChannels,
  tf,
} from './index.js';

const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);
/** Whole quarters: ties for the maximum, and no value near a kink but those upon it. */
const inQuarters = (trial: Trial): Trial => ({
  ...trial,
  values: Object.fromEntries(
    Object.entries(trial.values).map(([name, values]) => [name, values.map((v) => Math.round(v * 16) / 4)]),
  ),
});

describe('maxPool against the plain loops', () => {
  const engines = bothEngines();

  for (const [shape, kernel, stride, padding] of [
    [
      [2, 3, 5, 6, 3],
      [2, 2, 2],
      [2, 2, 2],
      [1, 1, 1],
    ],
    [
      [1, 1, 7, 8, 17],
      [1, 3, 3],
      [1, 2, 2],
      [0, 1, 1],
    ],
    [
      [2, 1, 12, 13, 5],
      [1, 5, 5],
      [1, 5, 5],
      [0, 0, 0],
    ],
    [
      [1, 1, 6, 6, 1],
      [1, 6, 6],
      [1, 6, 6],
      [0, 0, 0],
    ],
  ] as const) {
    it(`${shape.join('x')}, window ${kernel.join('x')}, the first of equals wins`, () => {
      const o = { kernel, stride, padding };
      const trial = inQuarters(trialOf({ x: shape }, ({ x }) => maxPool(x as tf.Tensor, o)));
      const [expected, found] = [measure(engines.reference, trial), measureNative(engines, trial)];
      assert.deepEqual(found['y'], expected['y']);
      // A voxel sums up at most eight windows' gradients below 1 in another order.
      found['x']?.forEach((value, i) => {
        assert.ok(Math.abs(value - (expected['x']?.[i] ?? Number.NaN)) <= 8 * 8 * 2 ** -24);
      });
    });
  }

  it('refuses volumes smaller than its window', () => {
    const o = { kernel: [1, 5, 5], stride: [1, 5, 5], padding: [0, 0, 0] } as const;
    assertRefused(engines, /1x4x9 voxels are too few for a window of 1x5x5/, () =>
      maxPool(filled(1, 1, 4, 9, 2), o),
    );
  });
});

describe('resize against the plain loops', () => {
  const engines = bothEngines();

  for (const rule of ['nearest', 'centres', 'corners'] as const)
    for (const [shape, to] of [
      [
        [2, 2, 3, 5, 3],
        [4, 6, 10],
      ],
      [
        [1, 1, 5, 3, 17],
        [1, 16, 7],
      ],
      [
        [3, 5, 3, 1, 1],
        [9, 2, 4],
      ],
    ] as const) {
      const trial = trialOf({ x: shape }, ({ x }) => resize(x as tf.Tensor, to, rule));
      it(`${rule}: ${shape.join('x')} to ${to.join('x')}`, () => {
        // Eight terms a value; a share is a product of three, each rounded twice. At most 64 values read a voxel.
        assertLinear(engines, trial, { y: 8 + 6, x: 64 + 6 });
      });
      it(`${rule}: ${shape.join('x')} to ${to.join('x')}, the gradient of its values`, () => {
        assertSlopes(engines.native, trial);
      });
    }

  it('lays corners on corners, centres half-way, and repeats the nearest', () => {
    engines.native.activate();
    const line = (values: number[], count: number, rule: 'nearest' | 'centres' | 'corners') =>
      tf.tidy(() => [
        ...resize(tf.tensor(values, [1, 1, 1, values.length, 1]), [1, 1, count], rule).dataSync(),
      ]);
    assert.deepEqual(line([0, 9], 4, 'corners'), [0, 3, 6, 9]);
    assert.deepEqual(line([0, 8], 4, 'centres'), [0, 2, 6, 8]);
    assert.deepEqual(line([1, 2, 3], 5, 'nearest'), [1, 1, 2, 2, 3]);
  });

  it('refuses sizes that are none', () => {
    assertRefused(engines, /cannot be resized to 0x2x2/, () =>
      resize(filled(1, 1, 2, 2, 1), [0, 2, 2], 'centres'),
    );
    assertRefused(engines, /is needed, not \[4\]/, () => resize(filled(4), [1, 2, 2], 'nearest'));
  });
});

describe('groupNorm against the plain loops', () => {
  const engines = bothEngines();

  for (const [shape, groups, rectified] of [
    [[1, 3, 5, 7, 32], 32, true],
    [[3, 1, 9, 5, 6], 2, false],
    [[2, 2, 3, 3, 3], 1, true],
  ] as const) {
    const c = shape[4];
    const trial = trialOf({ x: shape, gamma: [c], beta: [c] }, ({ x, gamma, beta }) =>
      groupNorm(x as tf.Tensor, gamma as tf.Tensor, beta as tf.Tensor, { groups, epsilon: 1e-5, rectified }),
    );
    it(`${shape.join('x')} in ${String(groups)} groups${rectified ? ', rectified' : ''}`, () => {
      assertStable(engines, trial, ['y', 'x', 'gamma', 'beta']);
    });
  }

  it('has the gradients of its values', () => {
    const shapes = { x: [2, 2, 3, 5, 6], gamma: [6], beta: [6] };
    assertSlopes(
      engines.native,
      trialOf(shapes, ({ x, gamma, beta }) =>
        groupNorm(x as tf.Tensor, gamma as tf.Tensor, beta as tf.Tensor, { groups: 3, epsilon: 1e-3 }),
      ),
    );
  });

  it('is group norm of the rectified tensor', () => {
    const shapes = { x: [2, 1, 5, 7, 4], gamma: [4], beta: [4] };
    const o = { groups: 2, epsilon: 1e-5 };
    const whole = trialOf(shapes, ({ x, gamma, beta }) =>
      groupNorm(x as tf.Tensor, gamma as tf.Tensor, beta as tf.Tensor, { ...o, rectified: true }),
    );
    const parts = trialOf(shapes, ({ x, gamma, beta }) =>
      groupNorm(relu(x as tf.Tensor), gamma as tf.Tensor, beta as tf.Tensor, o),
    );
    for (const engine of [engines.native, engines.reference])
      assert.deepEqual(measure(engine, whole), measure(engine, parts));
  });

  it('refuses what does not fit', () => {
    const run = (groups: number, gamma: number) => () =>
      groupNorm(filled(1, 1, 2, 2, 6), filled(gamma), filled(6), { groups, epsilon: 1e-5 });
    assertRefused(engines, /6 channels cannot be cut into 4 groups/, run(4, 6));
    assertRefused(engines, /gamma \[5\] should be \[6\]/, run(3, 5));
  });
});

describe('rectifiers against the plain loops', () => {
  const engines = bothEngines();

  it('relu, zero and below included', () => {
    const trial = inQuarters(trialOf({ x: [2, 3, 5, 7, 3] }, ({ x }) => relu(x as tf.Tensor)));
    const [found, expected] = [measureNative(engines, trial), measure(engines.reference, trial)];
    const unsigned = ({ y, x }: Results) => [y, x].map((values) => values?.map((v) => v + 0)); // -0 is 0
    assert.deepEqual(unsigned(found), unsigned(expected));
  });

  for (const slope of [0.25, 0, -1.5]) {
    it(`prelu with slope ${String(slope)}`, () => {
      const trial = trialOf({ x: [2, 3, 5, 7, 3], slope: [1] }, (t) =>
        prelu(t['x'] as tf.Tensor, t['slope'] as tf.Tensor),
      );
      trial.values['slope'] = Float32Array.of(slope);
      const [expected, found] = [measure(engines.reference, trial), measureNative(engines, trial)];
      assert.deepEqual([found['y'], found['x']], [expected['y'], expected['x']]); // one product each
      // A sum of 630 products below 1 in any order.
      const off = Math.abs((found['slope']?.[0] ?? Number.NaN) - (expected['slope']?.[0] ?? Number.NaN));
      assert.ok(off <= 632 * 630 * 2 ** -24, String(off));
    });
  }

  it('prelu has the gradients of its values', () => {
    const away = (values: Float32Array) => values.map((v) => v + Math.sign(v) / 16); // further than a step from 0
    const trial = trialOf({ x: [1, 1, 5, 7, 3], slope: [1] }, (t) =>
      prelu(t['x'] as tf.Tensor, t['slope'] as tf.Tensor),
    );
    trial.values['x'] = away(trial.values['x'] ?? assert.fail());
    assertSlopes(engines.native, trial);
    assertRefused(engines, /\[3\] is not one slope/, () => prelu(filled(1, 1, 1, 1, 3), filled(3)));
  });
});

describe('channels', () => {
  const engines = bothEngines();

  it('are concatenated, taken and repeated with the gradients of their values', () => {
    const joined = trialOf({ a: [2, 1, 3, 2, 3], b: [2, 1, 3, 2, 17], c: [2, 1, 3, 2, 1] }, ({ a, b, c }) =>
      concatChannels([a as tf.Tensor, b as tf.Tensor, c as tf.Tensor]),
    );
    const taken = trialOf({ x: [2, 1, 3, 2, 5] }, ({ x }) => takeChannels(x as tf.Tensor, 1, 3));
    const repeated = trialOf({ x: [2, 1, 3, 2, 1] }, ({ x }) => repeatChannel(x as tf.Tensor, 5));
    for (const trial of [joined, taken]) {
      assert.deepEqual(measureNative(engines, trial), measure(engines.reference, trial));
      assertSlopes(engines.native, trial);
    }
    assertLinear(engines, repeated, { y: 1, x: 5 });
    assertSlopes(engines.native, repeated);
  });

  it('lie where they should', () => {
    for (const engine of [engines.native, engines.reference]) {
      engine.activate();
      const joined = () =>
        concatChannels([tf.tensor([1, 2, 3, 4], [1, 1, 1, 2, 2]), tf.tensor([5, 6], [1, 1, 1, 2, 1])]);
      assert.deepEqual(
        tf.tidy(() => [...joined().dataSync()]),
        [1, 2, 5, 3, 4, 6],
      );
      assert.deepEqual(
        tf.tidy(() => [...takeChannels(joined(), 1, 2).dataSync()]),
        [2, 5, 4, 6],
      );
    }
  });

  it('refuse what does not fit', () => {
    assertRefused(engines, /\[1, 1, 2, 2, 3\] and \[1, 1, 2, 1, 3\] cannot be concatenated/, () =>
      concatChannels([filled(1, 1, 2, 2, 3), filled(1, 1, 2, 1, 3)]),
    );
    assertRefused(engines, /Channels 2 to 4 are not all there: x has 4/, () =>
      takeChannels(filled(1, 1, 2, 2, 4), 2, 3),
    );
  });
});
