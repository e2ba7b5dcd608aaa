import assert from 'node:assert/strict';
import {
  assertLinear,
  assertRefused,
  assertSlopes,
  bothEngines,
  numbers,
  trialOf,
} from './engine.fixture.js';
import { conv3d, conv3dInfer, depthwise3d, tf } from './index.js';

/** [n, d, h, w] */
type Size = readonly [number, number, number, number];

const one: Size = [1, 1, 1, 1];
const odd: Size = [3, 3, 5, 7];
const oneSlice: Size = [2, 1, 9, 11];

const voxels = (size: Size) => size.reduce((product, extent) => product * extent, 1);
const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);

describe('conv3d against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  const cases: [Size, number, number, number, boolean][] = [
    [one, 1, 1, 1, true],
    [one, 3, 5, 3, true],
    [odd, 1, 3, 5, false],
    [odd, 3, 1, 3, true],
    [odd, 5, 17, 1, true],
    [oneSlice, 17, 3, 1, false],
    [oneSlice, 1, 5, 7, true],
    [[1, 2, 3, 21], 3, 17, 3, false],
  ];
  for (const [size, ci, co, k, biased] of cases) {
    it(`${size.join('x')}, ${String(ci)} to ${String(co)} channels, k ${String(k)}${biased ? ', bias' : ''}`, () => {
      const w = [co, ci, k, k, k];
      const shapes = { x: [...size, ci], w, ...(biased ? { b: [co] } : {}) };
      const trial = trialOf(shapes, ({ x, w, b }) => conv3d(x as tf.Tensor, w as tf.Tensor, b));
      const taps = k ** 3;
      assertLinear(engines, trial, {
        y: taps * ci + 1,
        x: taps * co,
        w: voxels(size),
        b: voxels(size),
      });
    });
  }

  for (const [ci, k] of [
    [1, 5],
    [8, 1],
    [3, 3],
  ] as const)
    it(`followed by an activation in a prediction, ${String(ci)} channels, k ${String(k)}`, () => {
      const [x, w, b] = [filled(...odd, ci), filled(8, ci, k, k, k), filled(8)];
      for (const engine of [engines.native, engines.reference]) {
        engine.activate();
        const plain = conv3d(x, w, b).dataSync<'float32'>();
        for (const activation of ['none', 'relu', 'elu'] as const) {
          const found = conv3dInfer(x, w, b, activation).dataSync<'float32'>();
          const low = { none: (v: number) => v, relu: () => 0, elu: Math.expm1 }[activation];
          plain.forEach((value, i) => {
            const expected = value > 0 ? value : low(value);
            const off = Math.abs((found[i] ?? Number.NaN) - expected);
            assert.ok(off <= 4e-7 * Math.max(1, Math.abs(value)), `${activation}: ${String(off)}`);
          });
        }
      }
    });

  it('has the gradients of its values', () => {
    const shapes = { x: [2, 2, 3, 5, 3], w: [5, 3, 3, 3, 3], b: [5] };
    assertSlopes(
      engines.native,
      trialOf(shapes, ({ x, w, b }) => conv3d(x as tf.Tensor, w as tf.Tensor, b)),
    );
  });

  it('refuses shapes that do not fit', () => {
    assertRefused(engines, /\[n, d, h, w, channels\] is needed, not \[2, 3\]/, () =>
      conv3d(filled(2, 3), filled(1, 1, 1, 1, 1)),
    );
    const run = (w: number[], b?: number[]) => () =>
      conv3d(filled(1, 2, 2, 2, 3), filled(...w), b === undefined ? null : filled(...b));
    assertRefused(engines, /weights \[2, 4, 1, 1, 1\] do not fit 3 channels/, run([2, 4, 1, 1, 1]));
    assertRefused(engines, /kernel is even/, run([2, 3, 2, 2, 2]));
    assertRefused(engines, /weights \[2, 3, 3, 3\]/, run([2, 3, 3, 3]));
    assertRefused(engines, /weights \[2, 3, 3, 5, 5\]/, run([2, 3, 3, 5, 5]));
    assertRefused(engines, /bias \[3\] should be \[2\]/, run([2, 3, 3, 3, 3], [3]));
  });
});

describe('depthwise3d against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  const cases: [Size, number, number, boolean][] = [
    [one, 1, 5, true],
    [one, 17, 1, false],
    [odd, 3, 3, true],
    [odd, 5, 5, false],
    [odd, 17, 3, true],
    [oneSlice, 1, 7, true],
    [oneSlice, 5, 1, true],
    [[1, 2, 3, 21], 17, 5, false],
  ];
  for (const [size, c, k, biased] of cases) {
    it(`${size.join('x')}, ${String(c)} channels, k ${String(k)}${biased ? ', bias' : ''}`, () => {
      const shapes = { x: [...size, c], w: [c, 1, k, k, k], ...(biased ? { b: [c] } : {}) };
      const trial = trialOf(shapes, ({ x, w, b }) => depthwise3d(x as tf.Tensor, w as tf.Tensor, b));
      const terms = { y: k ** 3 + 1, x: k ** 3, w: voxels(size), b: voxels(size) };
      assertLinear(engines, trial, terms, k === 5);
    });
  }

  it('has the gradients of its values', () => {
    const shapes = { x: [2, 2, 3, 5, 3], w: [3, 1, 5, 5, 5], b: [3] };
    assertSlopes(
      engines.native,
      trialOf(shapes, ({ x, w, b }) => depthwise3d(x as tf.Tensor, w as tf.Tensor, b)),
    );
  });

  it('refuses shapes that do not fit', () => {
    const run = (w: number[], b?: number[]) => () =>
      depthwise3d(filled(1, 2, 2, 2, 3), filled(...w), b === undefined ? null : filled(...b));
    assertRefused(engines, /depthwise weights \[2, 1, 3, 3, 3\] do not fit 3 channels/, run([2, 1, 3, 3, 3]));
    assertRefused(engines, /depthwise weights \[3, 3, 3, 3, 3\]/, run([3, 3, 3, 3, 3]));
    assertRefused(engines, /depthwise weights \[3, 1, 3, 1, 3\]/, run([3, 1, 3, 1, 3]));
    assertRefused(engines, /depthwise weights \[3, 1, 4, 4, 4\]/, run([3, 1, 4, 4, 4]));
    assertRefused(engines, /depthwise weights \[3, 1, 9, 9, 9\]/, run([3, 1, 9, 9, 9]));
    assertRefused(engines, /bias \[1\] should be \[3\]/, run([3, 1, 3, 3, 3], [1]));
  });
});
