import assert from 'node:assert/strict';
import { emptyLike, irbStatistics, irbWeights } from '../kernels.fixture.js';
import type { Activation, IrbWeights, NormParameters } from '../kernel-set.js';
import { assertGradients, filled, float64, random } from './differences.fixture.js';
import { referenceKernels as kernels } from './index.js';

const volumes = [
  { n: 3, d: 1, h: 3, w: 2 },
  { n: 1, d: 2, h: 2, w: 3 },
];
const sizeOf = ({ n, d, h, w }: { n: number; d: number; h: number; w: number }) => n * d * h * w;

describe('gradients of the plain loops, in float64, against central differences', function () {
  this.timeout(20_000);

  for (const volume of volumes)
    for (const [ci, co, k] of [
      [1, 3, 5],
      [3, 5, 1],
      [2, 1, 3],
    ] as const) {
      it(`dense convolution ${JSON.stringify(volume)} ${String(ci)} to ${String(co)}, k ${String(k)}`, () => {
        const s = { ...volume, ci, co, k };
        const voxels = sizeOf(volume);
        const weights = co * ci * k ** 3;
        const [x, w, b] = [random(voxels * ci, 1), random(weights, 2), random(co, 3)];
        const dy = random(voxels * co, 4);
        const [dx, dw, db] = [float64(x.length), float64(weights), float64(co)];
        kernels.conv3dBackwardInput(s, dy, w, dx);
        kernels.conv3dBackwardFilter(s, x, dy, dw, db);
        const forward = () =>
          filled(dy.length, (y) => {
            kernels.conv3dForward(s, x, w, b, y);
          });
        assertGradients([x, w, b], dy, forward, [dx, dw, db]);
      });
    }

  for (const volume of volumes)
    for (const [c, k] of [
      [1, 7],
      [3, 5],
      [5, 3],
      [2, 1],
    ] as const) {
      it(`depthwise convolution ${JSON.stringify(volume)} ${String(c)} channels, k ${String(k)}`, () => {
        const s = { ...volume, c, k };
        const length = sizeOf(volume) * c;
        const [x, w, b, dy] = [random(length, 1), random(c * k ** 3, 2), random(c, 3), random(length, 4)];
        const [dx, dw, db] = [float64(length), float64(w.length), float64(c)];
        kernels.depthwise3dBackwardInput(s, dy, w, dx);
        kernels.depthwise3dBackwardFilter(s, x, dy, dw, db);
        const forward = () =>
          filled(length, (y) => {
            kernels.depthwise3dForward(s, x, w, b, y);
          });
        assertGradients([x, w, b], dy, forward, [dx, dw, db]);
      });
    }

  for (const activation of ['none', 'elu', 'relu'] as Activation[])
    for (const c of [1, 3, 5]) {
      it(`batch norm of ${String(c)} channels through its own statistics, ${activation}`, () => {
        const rows = 20;
        const [x, gamma, beta, dy] = [random(rows * c, 1), random(c, 2), random(c, 3), random(rows * c, 4)];
        const measured = (): NormParameters => {
          const p = { mean: float64(c), variance: float64(c), gamma, beta, epsilon: 1e-5 };
          kernels.batchNormStatistics(rows, c, x, p.mean, p.variance);
          return p;
        };
        const [dx, dgamma, dbeta] = [float64(x.length), float64(c), float64(c)];
        kernels.batchNormBackward(rows, c, x, measured(), activation, dy, dx, dgamma, dbeta);
        const forward = () =>
          filled(x.length, (y) => {
            kernels.batchNormForward(rows, c, x, measured(), activation, null, y);
          });
        assertGradients([x, gamma, beta], dy, forward, [dx, dgamma, dbeta]);
      });
    }

  it('average pooling and up-sampling', () => {
    const s = { n: 1, d: 2, h: 4, w: 2, c: 3 };
    const x = random(48, 1);
    const [dPooled, dUp] = [random(6, 2), random(48 * 27, 3)];
    const pooled = filled(48, (dx) => {
      kernels.averagePoolBackward(s, dPooled, dx);
    });
    const pool = () =>
      filled(6, (y) => {
        kernels.averagePoolForward(s, x, y);
      });
    assertGradients([x], dPooled, pool, [pooled]);
    const raised = filled(48, (dx) => {
      kernels.upsampleBackward(s, 3, dUp, dx);
    });
    const raise = () =>
      filled(dUp.length, (y) => {
        kernels.upsampleForward(s, 3, x, null, y);
      });
    assertGradients([x], dUp, raise, [raised]);
  });

  it('softmax cross entropy', () => {
    const logits = random(30, 1, 3);
    const labels = Int32Array.from({ length: 10 }, (_, i) => i % 3);
    const gradient = filled(30, (dx) => {
      kernels.softmaxCrossEntropy(10, 3, logits, labels, dx);
    });
    const forward = () => kernels.softmaxCrossEntropy(10, 3, logits, labels, null);
    assertGradients([logits], float64(0), forward, [gradient]);
  });

  it('the whole inverted-residual block', () => {
    const s = { n: 1, d: 2, h: 4, w: 5, c: 2, expanded: 4, k: 3 };
    const [x, dy, w] = [random(80, 1), random(80, 2), inFloat64(irbWeights(s, 3, true))];
    const [gradients, statistics, dx] = [inFloat64(emptyLike(w)), inFloat64(irbStatistics(s)), float64(80)];
    const o = { epsilon: 1e-3, activation: 'elu' } as const;
    const forward = () =>
      filled(80, (y) => {
        kernels.irbForward(s, x, w, o, y, statistics, null);
      });
    forward();
    kernels.irbBackward(s, x, w, o, statistics, new Float32Array(1), dy, dx, gradients);
    const names = Object.keys(w) as (keyof IrbWeights)[];
    const present = (p: IrbWeights) => names.map((name) => p[name] ?? float64(0));
    assertGradients([x, ...present(w)], dy, forward, [dx, ...present(gradients)]);
  });
});

const inFloat64 = <T extends object>(arrays: T): T =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, values]) => [
      name,
      values === null ? null : float64(values as Float32Array),
    ]),
  ) as T;

describe('plain loops', () => {
  it('correlate as PyTorch does: output o reads input o + tap - half with weight [co, ci, kd, kh, kw]', () => {
    const s = { n: 1, d: 3, h: 3, w: 3, ci: 2, co: 2, k: 3 };
    const w = Float32Array.from({ length: 108 }, (_, i) => i + 1);
    const x = new Float32Array(54);
    const centre = 13;
    x[centre * 2 + 1] = 1; // channel 1
    const [dense, depthwise] = [new Float32Array(54), new Float32Array(54)];
    kernels.conv3dForward(s, x, w, null, dense);
    kernels.depthwise3dForward({ ...s, c: 2 }, x, w, null, depthwise);
    for (let voxel = 0; voxel < 27; voxel++) {
      const tap = 26 - voxel; // the voxel as far before the centre as the tap lies behind it
      assert.deepEqual([...dense.subarray(voxel * 2, voxel * 2 + 2)], [27 + tap + 1, 81 + tap + 1]);
      assert.deepEqual([...depthwise.subarray(voxel * 2, voxel * 2 + 2)], [0, 27 + tap + 1]);
    }
  });

  it('let what is not a number pass, whatever the activation', () => {
    for (const activation of ['none', 'elu', 'relu'] as Activation[]) {
      const one = Float32Array.of(1);
      const p = { mean: one, variance: one, gamma: one, beta: one, epsilon: 0 };
      const y = new Float32Array(2);
      kernels.batchNormForward(2, 1, Float32Array.of(Number.NaN, -3), p, activation, null, y);
      assert.ok(Number.isNaN(y[0]), activation);
      assert.equal(y[1], { none: -3, elu: Math.fround(Math.expm1(-3)), relu: 0 }[activation]);
    }
  });

  it('refuse labels that are no classes', () => {
    for (const label of [-1, 2]) {
      const run = () => kernels.softmaxCrossEntropy(1, 2, new Float32Array(2), Int32Array.of(label), null);
      assert.throws(run, /a label is outside the classes/);
    }
  });
});
