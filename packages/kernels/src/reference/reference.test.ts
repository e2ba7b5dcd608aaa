import assert from 'node:assert/strict';
import { emptyLike, irbStatistics, irbWeights, numbers } from '../kernels.fixture.js';
import type { IrbWeights, KernelSet } from '../kernel-set.js';
import { referenceKernels as kernels } from './index.js';

type Forward = (inputs: Float32Array[]) => Float32Array | number;

/** Sum of dy times the outputs, or the scalar itself. */
function total(output: Float32Array | number, dy: Float32Array): number {
  if (typeof output === 'number') return output;
  return output.reduce((sum, value, i) => sum + value * (dy[i] ?? 0), 0);
}

/**
 * Central differences of step h in every input. Outputs are float32: with some hundred outputs near 1 their
 * rounding gives an error near 1e-6 / h, the curvature one near h^2: with h = 1/128 both stay below 1e-3.
 */
function assertGradients(
  inputs: Float32Array[],
  dy: Float32Array,
  forward: Forward,
  gradients: Float32Array[],
) {
  const h = 1 / 128;
  inputs.forEach((input, which) => {
    const scale = Math.max(...(gradients[which] ?? []).map(Math.abs), 0.1);
    for (let i = 0; i < input.length; i++) {
      const kept = input[i] ?? 0;
      input[i] = kept + h;
      const [above, high] = [total(forward(inputs), dy), input[i] ?? 0];
      input[i] = kept - h;
      const [below, low] = [total(forward(inputs), dy), input[i] ?? 0];
      input[i] = kept;
      const difference = (above - below) / (high - low);
      const found = gradients[which]?.[i] ?? Number.NaN;
      assert.ok(
        Math.abs(difference - found) <= 2e-3 * scale,
        `input ${String(which)}[${String(i)}]: ${String(found)} for ${String(difference)}`,
      );
    }
  });
}

const filled = (length: number, run: (into: Float32Array) => void) => {
  const values = new Float32Array(length);
  run(values);
  return values;
};

describe('gradients of the plain loops against central differences', function () {
  this.timeout(20_000);
  const volume = { n: 2, d: 2, h: 3, w: 4 };
  const voxels = 48;

  it('dense convolution', () => {
    const s = { ...volume, ci: 2, co: 3, k: 3 };
    const [x, w, b, dy] = [numbers(voxels * 2, 1), numbers(162, 2), numbers(3, 3), numbers(voxels * 3, 4)];
    const [dx, dw, db] = [new Float32Array(x.length), new Float32Array(162), new Float32Array(3)];
    kernels.conv3dBackwardInput(s, dy, w, dx);
    kernels.conv3dBackwardFilter(s, x, dy, dw, db);
    const forward = () =>
      filled(dy.length, (y) => {
        kernels.conv3dForward(s, x, w, b, y);
      });
    assertGradients([x, w, b], dy, forward, [dx, dw, db]);
  });

  it('depthwise convolution', () => {
    const s = { ...volume, c: 2, k: 5 };
    const [x, w, b, dy] = [numbers(voxels * 2, 1), numbers(250, 2), numbers(2, 3), numbers(voxels * 2, 4)];
    const [dx, dw, db] = [new Float32Array(x.length), new Float32Array(250), new Float32Array(2)];
    kernels.depthwise3dBackwardInput(s, dy, w, dx);
    kernels.depthwise3dBackwardFilter(s, x, dy, dw, db);
    const forward = () =>
      filled(dy.length, (y) => {
        kernels.depthwise3dForward(s, x, w, b, y);
      });
    assertGradients([x, w, b], dy, forward, [dx, dw, db]);
  });

  it('batch norm through its own statistics, with ELU', () => {
    const [x, gamma, beta, dy] = [numbers(60, 1), numbers(3, 2), numbers(3, 3), numbers(60, 4)];
    const measured = (): Parameters<KernelSet['batchNormForward']>[3] => {
      const p = { mean: new Float32Array(3), variance: new Float32Array(3), gamma, beta, epsilon: 1e-5 };
      kernels.batchNormStatistics(20, 3, x, p.mean, p.variance);
      return p;
    };
    const [dx, dgamma, dbeta] = [new Float32Array(60), new Float32Array(3), new Float32Array(3)];
    kernels.batchNormBackward(20, 3, x, measured(), 'elu', dy, dx, dgamma, dbeta);
    const forward = () =>
      filled(60, (y) => {
        kernels.batchNormForward(20, 3, x, measured(), 'elu', null, y);
      });
    assertGradients([x, gamma, beta], dy, forward, [dx, dgamma, dbeta]);
  });

  it('average pooling and up-sampling', () => {
    const s = { n: 1, d: 2, h: 4, w: 2, c: 3 };
    const x = numbers(48, 1);
    const [dPooled, dUp] = [numbers(6, 2), numbers(48 * 27, 3)];
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
        kernels.upsampleForward(s, 3, x, y);
      });
    assertGradients([x], dUp, raise, [raised]);
  });

  it('softmax cross entropy', () => {
    const logits = numbers(30, 1, 3);
    const labels = Int32Array.from({ length: 10 }, (_, i) => i % 3);
    const gradient = filled(30, (dx) => {
      kernels.softmaxCrossEntropy(10, 3, logits, labels, dx);
    });
    const forward = () => kernels.softmaxCrossEntropy(10, 3, logits, labels, null);
    assertGradients([logits], new Float32Array(0), forward, [gradient]);
  });

  it('the whole inverted-residual block', () => {
    const s = { n: 1, d: 2, h: 4, w: 5, c: 2, expanded: 4, k: 3 };
    const [x, dy, w] = [numbers(80, 1), numbers(80, 2), irbWeights(s, 3, true)];
    const [gradients, statistics, dx] = [emptyLike(w), irbStatistics(s), new Float32Array(80)];
    const o = { epsilon: 1e-3, activation: 'elu' } as const;
    const forward = () =>
      filled(80, (y) => {
        kernels.irbForward(s, x, w, o, y, statistics, null);
      });
    forward();
    kernels.irbBackward(s, x, w, o, statistics, new Float32Array(1), dy, dx, gradients);
    const names = Object.keys(w) as (keyof IrbWeights)[];
    const present = (p: IrbWeights) => names.map((name) => p[name] ?? new Float32Array(0));
    assertGradients([x, ...present(w)], dy, forward, [dx, ...present(gradients)]);
  });
});
