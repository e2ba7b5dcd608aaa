import assert from 'node:assert/strict';
import {
  assertLinear,
  assertRefused,
  assertSlopes,
  bothEngines,
  numbers,
  trialOf,
} from './engine.fixture.js';
import { convolve, convolveInfer, tf, transposedConvolve, type ConvolutionMoves } from './index.js';

type Each = number | readonly [number, number, number];
const each = (value: Each) => (typeof value === 'number' ? ([value, value, value] as const) : value);
const moves = (stride: Each, padding: Each, dilation: Each): ConvolutionMoves => ({
  stride: each(stride),
  padding: each(padding),
  dilation: each(dilation),
});
const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);
const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

describe('convolveInfer', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  for (const [title, x, w, m] of [
    ['of a volume', [2, 3, 5, 7, 5], [17, 5, 3, 3, 3], moves(1, 1, 1)],
    ['of an image, pointwise', [1, 1, 9, 6, 3], [4, 3, 1, 1, 1], moves(1, 0, 1)],
    ['of an image, dilated', [1, 1, 9, 8, 3], [3, 3, 1, 3, 3], moves(1, [0, 2, 2], [1, 2, 2])],
  ] as const)
    for (const rectified of [true, false])
      it(`${title} is the convolution times scale plus shift${rectified ? ', rectified' : ''}`, () => {
        for (const engine of [engines.native, engines.reference]) {
          engine.activate();
          const found = tf.tidy(() => {
            const [scale, shift] = ['scale', 'shift'].map((key) => tf.tensor1d(numbers(w[0], key)));
            const [image, weights] = [filled(...x), filled(...w)];
            const finish = { scale: scale as tf.Tensor, shift: shift as tf.Tensor, rectified };
            const sums = convolve(image, weights, null, m).dataSync<'float32'>();
            return { sums, y: convolveInfer(image, weights, finish, m).dataSync<'float32'>() };
          });
          const [scale, shift] = ['scale', 'shift'].map((key) => numbers(w[0], key));
          found.y.forEach((value, i) => {
            const plain = (found.sums[i] ?? 0) * (scale?.[i % w[0]] ?? 0) + (shift?.[i % w[0]] ?? 0);
            const expected = rectified ? Math.max(0, plain) : plain;
            assert.ok(
              Math.abs(value - expected) <= 1e-5 * (1 + Math.abs(plain)),
              `${String(value)} ${String(expected)}`,
            );
          });
        }
      });

  it('refuses a scale or a shift of another length', () => {
    const run = (scale: number, shift: number) => () =>
      convolveInfer(
        filled(1, 1, 4, 4, 2),
        filled(3, 2, 1, 1, 1),
        { scale: filled(scale), shift: filled(shift), rectified: false },
        moves(1, 0, 1),
      );
    assertRefused(engines, /scale \[2\] should be \[3\]/, run(2, 3));
    assertRefused(engines, /shift \[2\] should be \[3\]/, run(3, 2));
  });
});

describe('convolve against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  const cases: [string, number[], number[], ConvolutionMoves, boolean][] = [
    ['one voxel', [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], moves(1, 0, 1), true],
    ['3x3x3', [3, 3, 5, 7, 5], [17, 5, 3, 3, 3], moves(1, 1, 1), true],
    ['2x2x2, stride 2', [2, 4, 6, 2, 3], [5, 3, 2, 2, 2], moves(2, 0, 1), false],
    ['image, 7x7, stride 2', [2, 1, 9, 11, 3], [5, 3, 1, 7, 7], moves([1, 2, 2], [0, 3, 3], 1), false],
    ['image, dilation 5', [1, 1, 9, 8, 3], [3, 3, 1, 3, 3], moves(1, [0, 5, 5], [1, 5, 5]), true],
    ['image, 1x1, stride 2', [1, 1, 5, 6, 3], [4, 3, 1, 1, 1], moves([1, 2, 2], 0, 1), false],
  ];
  for (const [title, x, w, m, biased] of cases) {
    const shapes = { x, w, ...(biased ? { b: [w[0] ?? 0] } : {}) };
    const trial = trialOf(shapes, (t) =>
      convolve(t['x'] as tf.Tensor, t['w'] as tf.Tensor, t['b'] ?? null, m),
    );
    it(title, () => {
      const [co = 0, ci = 0, ...kernel] = w;
      const taps = product(kernel);
      const voxels = product(x) / ci;
      assertLinear(engines, trial, { y: taps * ci + 1, x: taps * co, w: voxels, b: voxels });
    });
    it(`${title}: the gradients of its values`, () => {
      assertSlopes(engines.native, trial);
    });
  }

  it('refuses shapes that do not fit', () => {
    const run = (w: number[], b?: number[]) => () =>
      convolve(filled(1, 1, 3, 2, 3), filled(...w), b === undefined ? null : filled(...b), moves(1, 0, 1));
    assertRefused(engines, /weights \[2, 4, 1, 1, 1\] do not fit 3 channels/, run([2, 4, 1, 1, 1]));
    assertRefused(engines, /weights \[2, 3, 3, 3\] do not fit/, run([2, 3, 3, 3]));
    assertRefused(engines, /1x3x2 voxels are too few for a kernel of 1x3x3/, run([2, 3, 1, 3, 3]));
    assertRefused(engines, /bias \[3\] should be \[2\]/, run([2, 3, 1, 1, 1], [3]));
    assertRefused(engines, /is needed, not \[2, 3\]/, () =>
      convolve(filled(2, 3), filled(1, 1, 1, 1, 1), null, moves(1, 0, 1)),
    );
  });
});

describe('transposedConvolve against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();
  const none = [0, 0, 0] as const;
  type Options = Parameters<typeof transposedConvolve>[3];
  const cases: [string, number[], number[], Options, boolean, number[]][] = [
    [
      '2x2x2, stride 2',
      [2, 2, 3, 1, 5],
      [5, 3, 2, 2, 2],
      { stride: each(2), padding: none, outputPadding: none },
      false,
      [2, 4, 6, 2, 3],
    ],
    [
      'image, 3x3, stride 2',
      [1, 1, 4, 5, 3],
      [3, 5, 1, 3, 3],
      { stride: [1, 2, 2], padding: [0, 1, 1], outputPadding: [0, 1, 1] },
      true,
      [1, 1, 8, 10, 5],
    ],
    [
      'image, 4x4, stride 2',
      [2, 1, 3, 4, 17],
      [17, 4, 1, 4, 4],
      { stride: [1, 2, 2], padding: [0, 1, 1], outputPadding: none },
      true,
      [2, 1, 6, 8, 4],
    ],
  ];
  for (const [title, x, w, o, biased, expected] of cases) {
    const shapes = { x, w, ...(biased ? { b: [w[1] ?? 0] } : {}) };
    const trial = trialOf(shapes, (t) =>
      transposedConvolve(t['x'] as tf.Tensor, t['w'] as tf.Tensor, t['b'] ?? null, o),
    );
    it(title, () => {
      const [ci = 0, co = 0, ...kernel] = w;
      const taps = product(kernel);
      const voxels = product(expected) / co;
      assertLinear(engines, trial, { y: taps * ci + 1, x: taps * co, w: voxels, b: voxels });
      engines.native.activate();
      const shape = tf.tidy(() => transposedConvolve(filled(...x), filled(...w), null, o).shape);
      assert.deepEqual(shape, expected);
    });
    it(`${title}: the gradients of its values`, () => {
      assertSlopes(engines.native, trial);
    });
  }

  it('refuses shapes that do not fit', () => {
    const run = (w: number[], o: Options, b?: number[]) => () =>
      transposedConvolve(filled(1, 1, 2, 2, 3), filled(...w), b === undefined ? null : filled(...b), o);
    const o = { stride: each(2), padding: none, outputPadding: none };
    assertRefused(engines, /weights \[4, 3, 2, 2, 2\] do not fit 3 channels/, run([4, 3, 2, 2, 2], o));
    assertRefused(engines, /bias \[3\] should be \[4\]/, run([3, 4, 2, 2, 2], o, [3]));
    assertRefused(
      engines,
      /output padding 2x0x0 is not below/,
      run([3, 4, 2, 2, 2], { ...o, outputPadding: [2, 0, 0] }),
    );
  });
});
