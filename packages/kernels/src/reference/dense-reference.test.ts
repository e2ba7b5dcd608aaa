import assert from 'node:assert/strict';
import { denseShapes, lengthsOf, poolShapes, resizeShapes, shapeOf } from '../dense.fixture.js';
import { outputSize, type ResizeRule } from '../dense-kernels.js';
import { assertGradients, filled, float64, random } from './differences.fixture.js';
import { referenceKernels as kernels } from './index.js';

const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);

describe('gradients of the dense plain loops, in float64, against central differences', function () {
  this.timeout(20_000);

  for (const title of ['pointwise, 3 to 5', 'image, 3x3, dilation 3', 'image, 1x1, stride 2', 'mixed']) {
    it(`convolution ${title}`, () => {
      const s = { ...(denseShapes[title] ?? assert.fail(title)), n: 1 };
      const size = lengthsOf(s);
      const [x, w, b, dy] = [random(size.x, 1), random(size.weight, 2), random(s.co, 3), random(size.y, 4)];
      const [dx, dw, db] = [float64(size.x), float64(size.weight), float64(s.co)];
      kernels.convolutionBackwardInput(s, dy, w, null, dx);
      kernels.convolutionBackwardFilter(s, x, dy, dw);
      kernels.sumRows(size.y / s.co, s.co, dy, db);
      const forward = () =>
        filled(size.y, (y) => {
          kernels.convolutionForward(s, x, w, b, y);
        });
      assertGradients([x, w, b], dy, forward, [dx, dw, db]);
    });
  }

  it('transposed convolution: the input gradient and its own gradients', () => {
    const s = shapeOf([1, 1, 6, 8], 3, 2, [1, 3, 3], [1, 2, 2], [0, 1, 1], 1);
    const size = lengthsOf(s);
    const [x, w, b, dy] = [random(size.y, 1), random(size.weight, 2), random(s.ci, 3), random(size.x, 4)];
    const [dx, dw, db] = [float64(size.y), float64(size.weight), float64(s.ci)];
    kernels.convolutionForward(s, dy, w, null, dx);
    kernels.convolutionBackwardFilter(s, dy, x, dw);
    kernels.sumRows(size.x / s.ci, s.ci, dy, db);
    const forward = () =>
      filled(size.x, (y) => {
        kernels.convolutionBackwardInput(s, x, w, b, y);
      });
    assertGradients([x, w, b], dy, forward, [dx, dw, db]);
  });

  for (const [title, shape] of Object.entries(poolShapes)) {
    it(`max pool ${title}`, () => {
      const s = { ...shape, n: 1, c: 2 };
      const size = s.d * s.h * s.w * 2;
      const length = product(outputSize({ ...s, dilation: [1, 1, 1] })) * 2;
      // Distances of 1/size and more, above twice a step: no other value wins on the way.
      const x = float64(Array.from({ length: size }, (_, i) => ((i * 101) % size) / size));
      const [dy, dx, winners] = [random(length, 2), float64(size), new Uint8Array(length)];
      const forward = () =>
        filled(length, (y) => {
          kernels.maxPoolForward(s, x, y, winners);
        });
      forward();
      kernels.maxPoolBackward(s, dy, winners, dx);
      assertGradients([x], dy, forward, [dx]);
    });
  }

  for (const [title, shape] of Object.entries(resizeShapes))
    for (const rule of ['nearest', 'centres', 'corners'] as ResizeRule[]) {
      it(`${rule} ${title}`, () => {
        const s = { ...shape, n: 1, c: 1 };
        const [x, dy] = [random(s.d * s.h * s.w, 1), random(product(s.to), 2)];
        const dx = float64(x.length);
        kernels.resizeBackward(s, rule, dy, dx);
        const forward = () =>
          filled(dy.length, (y) => {
            kernels.resizeForward(s, rule, x, y);
          });
        assertGradients([x], dy, forward, [dx]);
      });
    }

  for (const rectified of [false, true]) {
    it(`group norm${rectified ? ', rectified' : ''}`, () => {
      const s = { n: 2, voxels: 7, c: 6, groups: 3 };
      const [x, gamma, beta, dy] = [random(84, 1), random(6, 2), random(6, 3), random(84, 4)];
      const p = { gamma, beta, epsilon: 1e-3, rectified };
      const [mean, variance] = [float64(6), float64(6)];
      const forward = () =>
        filled(84, (y) => {
          kernels.groupNormForward(s, x, p, mean, variance, y);
        });
      forward();
      const [dx, dgamma, dbeta] = [float64(84), float64(6), float64(6)];
      kernels.groupNormBackward(s, x, p, mean, variance, dy, dx, dgamma, dbeta);
      assertGradients([x, gamma, beta], dy, forward, [dx, dgamma, dbeta]);
    });
  }

  it('rectifiers, and the slope of the leaky one', () => {
    const [x, dy, slope] = [random(40, 1), random(40, 2), float64([0.25])];
    const relu = () =>
      filled(40, (y) => {
        kernels.reluForward(x, y);
      });
    const drelu = filled(40, (dx) => {
      kernels.reluBackward(relu(), dy, dx);
    });
    assertGradients([x], dy, relu, [drelu]);
    const prelu = () =>
      filled(40, (y) => {
        kernels.preluForward(x, slope[0] ?? Number.NaN, y);
      });
    const dx = float64(40);
    const dslope = kernels.preluBackward(x, slope[0] ?? Number.NaN, dy, dx);
    assertGradients([x, slope], dy, prelu, [dx, float64([dslope])]);
  });
});
