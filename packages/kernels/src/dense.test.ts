import assert from 'node:assert/strict';
import {
  convolve,
  denseShapes,
  poolShapes,
  resizeShapes,
  shapeOf,
  tied,
  type Results,
} from './dense.fixture.js';
import { outputSize, type DenseShape, type ResizeRule } from './dense-kernels.js';
import { numbers, relativeError } from './kernels.fixture.js';
import type { KernelSet } from './kernel-set.js';
import { kernelsOrSkip } from './addon.fixture.js';
import type { NativeKernels } from './native.js';
import { referenceKernels as reference } from './reference/index.js';

/** The native results with one, two and three threads are the same bytes, and near the plain loops'. */
function judge(native: NativeKernels, tolerance: number, run: (kernels: KernelSet) => Results): void {
  const [one, two, three] = [1, 2, 3].map((threads) => {
    native.setThreads(threads);
    return run(native);
  });
  for (const [name, values] of Object.entries(run(reference))) {
    const [a, b, c] = [one?.[name], two?.[name], three?.[name]];
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    const bytes = Buffer.from(a.buffer);
    assert.ok(
      bytes.equals(Buffer.from(b.buffer)) && bytes.equals(Buffer.from(c.buffer)),
      `${name}: other bytes`,
    );
    const error = relativeError(a, values);
    assert.ok(error <= tolerance, `${name}: relative error ${String(error)}`);
  }
}

const spoiled = (length: number) => new Float32Array(length).fill(Number.NaN);

describe('native dense kernels against the plain loops', function () {
  this.timeout(60_000);
  let native: NativeKernels;
  before(function () {
    native = kernelsOrSkip(this);
  });

  // Each result is a chain of up to 4,000 multiply-adds of numbers below 1: the roundings of a random walk of that
  // length, 2^-24 * sqrt(4000) of a typical partial sum, stay below 4e-6 of the largest result.
  for (const [title, s] of Object.entries(denseShapes)) {
    it(`convolution ${title}`, () => {
      judge(native, 4e-6, (kernels) => convolve(kernels, s));
    });
  }

  for (const [title, s] of Object.entries(poolShapes)) {
    it(`max pool ${title}`, () => {
      const [od, oh, ow] = outputSize({ ...s, dilation: [1, 1, 1] });
      const [size, length] = [s.n * s.d * s.h * s.w * s.c, s.n * od * oh * ow * s.c];
      const x = tied(size, 1);
      judge(native, 1e-6, (kernels) => {
        const [y, dx, winners] = [spoiled(length), spoiled(size), new Uint8Array(length)];
        kernels.maxPoolForward(s, x, y, winners);
        kernels.maxPoolBackward(s, numbers(length, 2), winners, dx);
        return { y, dx, winners: Float32Array.from(winners) };
      });
    });
  }

  for (const [title, s] of Object.entries(resizeShapes))
    for (const rule of ['nearest', 'centres', 'corners'] as ResizeRule[]) {
      it(`${rule} ${title}`, () => {
        const [size, length] = [s.n * s.d * s.h * s.w * s.c, s.n * s.to[0] * s.to[1] * s.to[2] * s.c];
        judge(native, 2e-6, (kernels) => {
          const [y, dx] = [spoiled(length), spoiled(size)];
          kernels.resizeForward(s, rule, numbers(size, 1), y);
          kernels.resizeBackward(s, rule, numbers(length, 2), dx);
          return { y, dx };
        });
      });
    }

  for (const [n, voxels, c, groups] of [
    [2, 37, 32, 32],
    [1, 300, 64, 32],
    [3, 5, 6, 2],
    [1, 1_000, 3, 1],
  ] as const)
    for (const rectified of [false, true]) {
      it(`group norm ${[n, voxels, c, groups].join(' ')}${rectified ? ', rectified' : ''}`, () => {
        const s = { n, voxels, c, groups };
        const length = n * voxels * c;
        const x = numbers(length, 1, 3).map((value) => value + 1);
        const p = {
          gamma: numbers(c, 3).map((value) => value + 1.5),
          beta: numbers(c, 4),
          epsilon: 1e-5,
          rectified,
        };
        judge(native, 5e-6, (kernels) => {
          const [mean, variance, y, dx] = [n * groups, n * groups, length, length].map(spoiled) as [
            Float32Array,
            Float32Array,
            Float32Array,
            Float32Array,
          ];
          const [dgamma, dbeta] = [spoiled(c), spoiled(c)];
          kernels.groupNormForward(s, x, p, mean, variance, y);
          kernels.groupNormBackward(s, x, p, mean, variance, numbers(length, 5), dx, dgamma, dbeta);
          return { mean, variance, y, dx, dgamma, dbeta };
        });
      });
    }

  for (const length of [1, 15, 33, 70_001]) {
    it(`rectifiers of ${String(length)} values`, () => {
      const x = numbers(length, 1);
      x[0] = 0;
      judge(native, 1e-6, (kernels) => {
        const [relu, drelu, prelu, dprelu] = [0, 1, 2, 3].map(() => spoiled(length)) as [
          Float32Array,
          Float32Array,
          Float32Array,
          Float32Array,
        ];
        kernels.reluForward(x, relu);
        kernels.reluBackward(relu, numbers(length, 2), drelu);
        kernels.preluForward(x, -0.25, prelu);
        const dslope = Float32Array.of(kernels.preluBackward(x, -0.25, numbers(length, 2), dprelu));
        return { relu, drelu, prelu, dprelu, dslope };
      });
    });
  }

  it('copies channels into and out of others, and nothing else', () => {
    judge(native, 0, (kernels) => {
      const to = numbers(5 * 7, 1);
      const from = { values: numbers(5 * 4, 2), c: 4, first: 1 };
      kernels.copyChannels(5, 3, from, { values: to, c: 7, first: 2 });
      return { to };
    });
  });

  it('lets what is not a number pass through maxima and rectifiers', () => {
    const s = {
      n: 1,
      d: 1,
      h: 1,
      w: 3,
      c: 1,
      kernel: [1, 1, 3],
      stride: [1, 1, 3],
      padding: [0, 0, 0],
    } as const;
    for (const kernels of [native, reference]) {
      for (const place of [0, 1, 2]) {
        const x = Float32Array.of(1, 2, 3);
        x[place] = Number.NaN;
        const [y, winners, relu] = [spoiled(1), new Uint8Array(1), new Float32Array(3)];
        y[0] = 0;
        kernels.maxPoolForward(s, x, y, winners);
        assert.deepEqual([y[0], winners[0]], [Number.NaN, place], kernels.name);
        kernels.reluForward(x, relu);
        assert.ok(Number.isNaN(relu[place]), kernels.name);
      }
    }
  });

  it('refuses shapes that contradict themselves', () => {
    const s = shapeOf([1, 2, 3, 4], 2, 3, 3, 1, 1, 1);
    const array = new Float32Array(1_000);
    const run =
      (wrong: Partial<DenseShape>, x = array) =>
      () => {
        native.convolutionForward({ ...s, ...wrong }, x, array, null, array);
      };
    assert.throws(run({ padding: [0, 1, 1] }), /size below 1/);
    assert.throws(run({ padding: [-1, 1, 1] }), /below/);
    assert.throws(run({ ci: 0 }), /below 1/);
    assert.throws(run({}, new Float32Array(47)), /shorter/);
    const pool = { ...s, c: 2, kernel: [2, 2, 2], stride: [2, 2, 2], padding: [1, 2, 1] } as const;
    assert.throws(() => {
      native.maxPoolForward(pool, array, array, new Uint8Array(1_000));
    }, /half of the window/);
    assert.throws(() => {
      const p = { gamma: array, beta: array, epsilon: 1, rectified: false };
      native.groupNormForward({ n: 1, voxels: 2, c: 6, groups: 4 }, array, p, array, array, array);
    }, /groups do not divide/);
    assert.throws(() => {
      native.copyChannels(2, 3, { values: array, c: 3, first: 1 }, { values: array, c: 4, first: 0 });
    }, /beyond the last/);
  });
});
