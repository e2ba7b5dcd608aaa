import assert from 'node:assert/strict';
import { emptyLike, irbStatistics, irbWeights, numbers, relativeError } from './kernels.fixture.js';
import type { Activation, BlockActivation, IrbShape, IrbWeights, KernelSet } from './kernel-set.js';
import { kernelsOrSkip } from './addon.fixture.js';
import type { NativeKernels } from './native.js';
import { referenceKernels as reference } from './reference/index.js';

/** Results of one operation by name. */
type Results = Record<string, Float32Array>;

/** The native results with one and with two threads are the same bytes, and near the reference's. */
function judge(native: NativeKernels, tolerance: number, run: (kernels: KernelSet) => Results): void {
  native.setThreads(1);
  const one = run(native);
  native.setThreads(2);
  const two = run(native);
  const expected = run(reference);
  for (const [name, values] of Object.entries(expected)) {
    const [a, b] = [one[name], two[name]];
    assert.ok(a !== undefined && b !== undefined);
    assert.ok(Buffer.from(a.buffer).equals(Buffer.from(b.buffer)), `${name}: other bytes with two threads`);
    const error = relativeError(a, values);
    assert.ok(error <= tolerance, `${name}: relative error ${String(error)}`);
  }
}

const volumes = [
  { n: 1, d: 1, h: 1, w: 1 },
  { n: 2, d: 3, h: 5, w: 7 },
  { n: 1, d: 2, h: 9, w: 21 },
  { n: 1, d: 4, h: 3, w: 70 },
  { n: 1, d: 1, h: 40, w: 8 },
  { n: 1, d: 18, h: 7, w: 6 }, // tiles of eight depths with neighbours below, above and on both sides
  { n: 1, d: 8, h: 2, w: 5 }, // fewer rows than a kernel
];
const size = (s: { n: number; d: number; h: number; w: number }) => s.n * s.d * s.h * s.w;

describe('native kernels against the plain loops', function () {
  this.timeout(60_000);
  let native: NativeKernels;
  before(function () {
    native = kernelsOrSkip(this);
  });

  for (const volume of volumes)
    for (const [ci, co, k] of [
      [1, 8, 5],
      [3, 5, 3],
      [8, 32, 1],
      [17, 40, 1],
      [2, 2, 3],
      [16, 16, 3],
    ] as const) {
      it(`dense ${JSON.stringify(volume)} ${String(ci)}->${String(co)} k${String(k)}`, () => {
        const s = { ...volume, ci, co, k };
        const [x, dy] = [numbers(size(s) * ci, 1), numbers(size(s) * co, 2)];
        const [weight, bias] = [numbers(co * ci * k ** 3, 3), numbers(co, 4)];
        judge(native, 2e-6, (kernels) => {
          const [y, dx] = [new Float32Array(dy.length), new Float32Array(x.length)];
          const [dw, db] = [new Float32Array(weight.length), new Float32Array(co)];
          kernels.conv3dForward(s, x, weight, bias, y);
          kernels.conv3dBackwardInput(s, dy, weight, dx);
          kernels.conv3dBackwardFilter(s, x, dy, dw, db);
          const activated = (['none', 'elu', 'relu'] as const).map((activation) => {
            const finished = new Float32Array(dy.length);
            kernels.conv3dInfer(s, x, weight, bias, activation, finished);
            return [activation, finished] as const;
          });
          return { y, dx, dw, db, ...Object.fromEntries(activated) };
        });
      });
    }

  for (const volume of volumes)
    for (const [c, k] of [
      [1, 3],
      [5, 5],
      [16, 5],
      [33, 3],
      [20, 7],
    ] as const) {
      it(`depthwise ${JSON.stringify(volume)} c${String(c)} k${String(k)}`, () => {
        const s = { ...volume, c, k };
        const [x, dy] = [numbers(size(s) * c, 1), numbers(size(s) * c, 2)];
        const [weight, bias] = [numbers(c * k ** 3, 3), numbers(c, 4)];
        judge(native, 2e-6, (kernels) => {
          const [y, dx] = [new Float32Array(x.length), new Float32Array(x.length)];
          const [dw, db] = [new Float32Array(weight.length), new Float32Array(c)];
          kernels.depthwise3dForward(s, x, weight, bias, y);
          kernels.depthwise3dBackwardInput(s, dy, weight, dx);
          kernels.depthwise3dBackwardFilter(s, x, dy, dw, db);
          return { y, dx, dw, db };
        });
      });
    }

  for (const c of [1, 2, 3, 8, 16, 24, 100])
    for (const activation of ['none', 'elu', 'relu'] as Activation[]) {
      it(`batch norm c${String(c)} ${activation}`, () => {
        const rows = 1_237;
        const [x, dy] = [numbers(rows * c, 1, 3).map((value) => value + 5), numbers(rows * c, 2)];
        const residual = numbers(rows * c, 5);
        const gamma = numbers(c, 3).map((value) => value + 1.5);
        const beta = numbers(c, 4);
        judge(native, 5e-6, (kernels) => {
          const [mean, variance] = [new Float32Array(c), new Float32Array(c)];
          kernels.batchNormStatistics(rows, c, x, mean, variance);
          const p = { mean, variance, gamma, beta, epsilon: 1e-5 };
          const [y, dx] = [new Float32Array(x.length), new Float32Array(x.length)];
          const [dgamma, dbeta] = [new Float32Array(c), new Float32Array(c)];
          kernels.batchNormForward(rows, c, x, p, activation, residual, y);
          kernels.batchNormBackward(rows, c, x, p, activation, dy, dx, dgamma, dbeta);
          return { mean, variance, y, dx, dgamma, dbeta };
        });
      });
    }

  for (const c of [1, 2, 8, 19]) {
    it(`average pool and up-sampling c${String(c)}`, () => {
      const s = { n: 2, d: 2, h: 6, w: 10, c };
      judge(native, 2e-6, (kernels) => {
        const x = numbers(size(s) * c, 1);
        const [pooled, back] = [new Float32Array(x.length / 8), new Float32Array(x.length)];
        kernels.averagePoolForward(s, x, pooled);
        kernels.averagePoolBackward(s, numbers(pooled.length, 2), back);
        const results: Results = { pooled, back };
        for (const factor of [1, 2, 4]) {
          const [y, dx] = [new Float32Array(x.length * factor ** 3), new Float32Array(x.length)];
          kernels.upsampleForward(s, factor, x, null, y);
          const onto = new Float32Array(y.length);
          kernels.upsampleForward(s, factor, x, numbers(y.length, 4), onto);
          kernels.upsampleBackward(s, factor, numbers(y.length, 3), dx);
          results[`y${String(factor)}`] = y;
          results[`onto${String(factor)}`] = onto;
          results[`dx${String(factor)}`] = dx;
        }
        return results;
      });
    });
  }

  for (const classes of [2, 3]) {
    it(`foreground and cross entropy with ${String(classes)} classes`, () => {
      const rows = 5_003;
      const logits = numbers(rows * classes, 1, 30);
      const labels = Int32Array.from({ length: rows }, (_, i) => (i * 7) % classes);
      judge(native, 2e-6, (kernels) => {
        const [p, dlogits] = [new Float32Array(rows), new Float32Array(logits.length)];
        kernels.foreground(rows, classes, logits, p);
        const loss = Float32Array.of(kernels.softmaxCrossEntropy(rows, classes, logits, labels, dlogits));
        return { p, dlogits, loss };
      });
    });
  }

  it('refuses labels that are no classes, arrays that are too short', () => {
    const two = new Float32Array(2);
    assert.throws(() => native.softmaxCrossEntropy(1, 2, two, Int32Array.of(2), null), /outside the classes/);
    assert.throws(() => {
      native.foreground(2, 2, two, two);
    }, /shorter/);
  });

  it('refuses sizes that no kernel is made for', () => {
    const one = new Float32Array(729);
    const s = { n: 1, d: 1, h: 1, w: 1, c: 1, k: 9 };
    const run = (wrong: Partial<typeof s>) => () => {
      native.depthwise3dForward({ ...s, ...wrong }, one, one, null, one);
    };
    assert.throws(run({}), /kernel size/);
    assert.throws(run({ k: 4 }), /kernel size/);
    assert.throws(run({ k: 3, h: 0 }), /below 1/);
    const block = { n: 1, d: 1, h: 1, w: 1, c: 1, expanded: 1, k: 1 };
    const infer = (k: number, activation: Activation) => () => {
      const o = { epsilon: 1e-5, activation: activation as BlockActivation };
      native.irbInfer(
        { ...block, k },
        one,
        irbWeights({ ...block, k }, 1, true),
        o,
        irbStatistics(block),
        one,
      );
    };
    assert.throws(infer(1, 'elu'), /kernel size/);
    assert.throws(infer(3, 'none'), /activation is not supported/);
    infer(3, 'elu')();
    assert.throws(() => {
      native.averagePoolForward({ ...s, d: 3, h: 2, w: 2 }, one, one);
    }, /even/);
  });

  it('finds what is not finite', () => {
    for (const kernels of [native, reference]) {
      assert.equal(kernels.isAllFinite(numbers(1_003, 1)), true);
      for (const value of [NaN, Infinity, -Infinity]) {
        const values = numbers(1_003, 1);
        values[1_002] = value;
        assert.equal(kernels.isAllFinite(values), false);
      }
    }
  });

  const blocks: [IrbShape, BlockActivation, boolean][] = [
    [{ n: 1, d: 2, h: 6, w: 9, c: 3, expanded: 6, k: 3 }, 'elu', true],
    [{ n: 2, d: 3, h: 5, w: 8, c: 8, expanded: 32, k: 5 }, 'elu', false],
    [{ n: 1, d: 1, h: 9, w: 10, c: 16, expanded: 16, k: 5 }, 'relu', false],
    [{ n: 1, d: 2, h: 4, w: 4, c: 20, expanded: 40, k: 3 }, 'elu', true],
    [{ n: 1, d: 2, h: 5, w: 5, c: 4, expanded: 12, k: 7 }, 'elu', true],
    [{ n: 1, d: 25, h: 5, w: 9, c: 24, expanded: 40, k: 5 }, 'elu', true],
  ];
  for (const [s, activation, biased] of blocks) {
    it(`inverted-residual block ${JSON.stringify(s)} ${activation}`, () => {
      const x = numbers(size(s) * s.c, 1).map((value) => value + 0.4);
      const dy = numbers(x.length, 2);
      const p = irbWeights(s, 20, biased);
      judge(native, 3e-5, (kernels) => {
        const statistics = irbStatistics(s);
        const saved = new Float32Array(kernels.irbSavedLength(s, {}));
        const [y, dx, inferred] = [0, 1, 2].map(() => new Float32Array(x.length)) as [
          Float32Array,
          Float32Array,
          Float32Array,
        ];
        const gradients = emptyLike(p);
        const o = { epsilon: 1e-5, activation };
        kernels.irbForward(s, x, p, o, y, statistics, saved);
        kernels.irbBackward(s, x, p, o, statistics, saved, dy, dx, gradients);
        kernels.irbInfer(s, x, p, o, statistics, inferred);
        const present = Object.entries(gradients) as [keyof IrbWeights, Float32Array | null][];
        return {
          y,
          dx,
          inferred,
          ...(statistics as unknown as Results),
          ...Object.fromEntries(present.flatMap(([name, value]) => (value === null ? [] : [[name, value]]))),
        };
      });
    });
  }

  it('a hidden tensor that is kept, found or made again gives the same bytes', () => {
    const s = { n: 2, d: 3, h: 7, w: 9, c: 5, expanded: 20, k: 5 };
    const p = irbWeights(s, 20, true);
    const open = (seed: number, keepHidden: boolean) => {
      const o = { epsilon: 1e-5, activation: 'elu' as const, keepHidden };
      const saved = new Float32Array(native.irbSavedLength(s, o));
      const [statistics, gradients] = [irbStatistics(s), emptyLike(p)];
      const x = numbers(size(s) * s.c, seed);
      const [y, dx] = [new Float32Array(x.length), new Float32Array(x.length)];
      native.irbForward(s, x, p, o, y, statistics, saved);
      return () => {
        native.irbBackward(s, x, p, o, statistics, saved, numbers(x.length, 9), dx, gradients);
        return [dx, ...Object.values(gradients as unknown as Results)];
      };
    };
    const kept = open(1, true);
    const [first, , last] = [open(1, false), open(2, true), open(1, false)];
    const expected = kept();
    for (const backward of [last, first, last]) assert.deepEqual(backward(), expected);
  });

  it('sums, rounds and updates with the very bits of the plain loops', () => {
    const length = 100_003;
    const special = Float32Array.of(NaN, Infinity, -Infinity, -0, 0, 1.00390625, 1.01171875, 3.4e38, 1e-42);
    const values = numbers(length, 1, 100);
    values.set(special);
    const run = (kernels: KernelSet) => {
      const sum = numbers(length, 2);
      kernels.add(values, sum, sum);
      const rounded = new Uint16Array(length);
      kernels.roundToBf16(rounded, values);
      const widened = new Float32Array(length);
      kernels.fromBf16(widened, rounded);
      const [weights, gradient] = [numbers(length, 3), numbers(length, 4)];
      const [m, v] = [numbers(length, 5, 0.1), numbers(length, 6, 0.1).map(Math.abs)];
      const rates = {
        learningRate: 0.001,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 1e-5,
        step: 7,
        samples: 3,
      };
      const scaled = numbers(length, 7);
      kernels.scaleInto(scaled, 1 / 3);
      const square = Float64Array.of(kernels.sumOfSquares(scaled), kernels.checksum(scaled));
      kernels.adamStep({ weights, gradient, m, v, from: 5, to: length - 3, ...rates });
      return [sum, rounded, widened, scaled, square, weights, m, v].map((array) => Buffer.from(array.buffer));
    };
    const [ours, theirs] = [run(native), run(reference)];
    ours.forEach((bytes, i) => {
      assert.ok(bytes.equals(theirs[i] ?? Buffer.alloc(0)), `array ${String(i)}`);
    });
  });

  it('adds trees up with the very bits of the plain loops', () => {
    const length = 1_003; // four chunks, the last one short
    const special = Float32Array.of(NaN, Infinity, -Infinity, -0, 0, 1.00390625, 1.01171875, 3.4e38, 1e-42);
    const floats = [1, 2, 3].map((seed) => numbers(length + 5, seed, 100));
    floats[1]?.set(special, 3);
    const halves = [4, 5].map((seed) => {
      const into = new Uint16Array(length);
      reference.roundToBf16(into, numbers(length, seed, 100));
      return into;
    });
    const sources = [...floats, ...halves];
    const orders = [[0], [3], [1, 4, -1], [3, 0, -1, 1, 4, -1, -1, 2, -1], [0, 1, 2, 3, 4, -1, -1, -1, -1]];
    for (const order of orders.map((steps) => Int32Array.from(steps)))
      for (const rounded of [false, true]) {
        const [ours, theirs] = [native, reference].map((kernels) => {
          const inPlace = numbers(length, 1, 100);
          kernels.addTree([inPlace, ...sources.slice(1)], order, rounded, inPlace);
          const apart = new Float32Array(length);
          kernels.addTree(sources, order, rounded, apart);
          return Buffer.concat([inPlace, apart].map((sum) => Buffer.from(sum.buffer)));
        });
        assert.ok(ours?.equals(theirs ?? Buffer.alloc(0)), `${order.join()}, ${String(rounded)}`);
      }
  });

  it('refuses trees that are none', () => {
    const [source, sum] = [new Float32Array(8), new Float32Array(8)];
    const refused = [[], [-1], [0, -1], [0, 0], [1], [0, 0, -1, -1]];
    for (const kernels of [native, reference]) {
      for (const order of refused)
        assert.throws(() => {
          kernels.addTree([source], Int32Array.from(order), false, sum);
        }, TypeError);
      assert.throws(() => {
        kernels.addTree([new Uint16Array(7)], Int32Array.of(0), true, sum);
      }, TypeError);
    }
  });

  it('notices every bit that flips, and the same bit in two places', () => {
    const values = numbers(1_003, 1, 100);
    const [before, words] = [native.checksum(values), new Uint32Array(values.buffer)];
    assert.ok(Number.isSafeInteger(before));
    for (const at of [0, 1, 511, 1_002]) {
      for (let bit = 0; bit < 32; bit++) {
        words[at] = (words[at] ?? 0) ^ (1 << bit);
        assert.notEqual(native.checksum(values), before, `bit ${String(bit)} of element ${String(at)}`);
        words[at] = (words[at] ?? 0) ^ (1 << bit);
      }
    }
    const flip = (at: number, bit: number) => (words[at] = (words[at] ?? 0) ^ (1 << bit));
    for (const bit of [0, 22, 23, 30, 31]) {
      for (let distance = 1; distance < 1_003; distance++) {
        for (const at of [0, distance]) flip(at, bit);
        assert.notEqual(native.checksum(values), before, `bit ${String(bit)}, ${String(distance)} apart`);
        for (const at of [0, distance]) flip(at, bit);
      }
    }
    assert.equal(native.checksum(values), before);
  });
});
