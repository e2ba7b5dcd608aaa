import assert from 'node:assert/strict';
import {
  assertLinear,
  assertRefused,
  assertSlopes,
  bothEngines,
  measure,
  numbers,
  trialOf,
} from './engine.fixture.js';
import { addTensors, averagePool3d, tf, upsampleTrilinear } from './index.js';

const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);

describe('averagePool3d against the plain loops', () => {
  const engines = bothEngines();

  for (const shape of [
    [1, 2, 2, 2, 1],
    [3, 2, 6, 10, 5],
    [1, 4, 2, 6, 17],
    [2, 6, 4, 2, 3],
  ]) {
    it(shape.join('x'), () => {
      const trial = trialOf({ x: shape }, ({ x }) => averagePool3d(x as tf.Tensor));
      assertLinear(engines, trial, { y: 8, x: 1 });
    });
  }

  it('has the gradient of its values', () => {
    assertSlopes(
      engines.native,
      trialOf({ x: [2, 2, 4, 6, 3] }, ({ x }) => averagePool3d(x as tf.Tensor)),
    );
  });

  it('gives the mean of the eight', () => {
    engines.native.activate();
    const y = tf.tidy(() => averagePool3d(tf.tensor([1, 2, 3, 4, 5, 6, 7, 12], [1, 2, 2, 2, 1])).dataSync());
    assert.deepEqual([...y], [5]);
  });

  it('refuses what cannot be halved', () => {
    assertRefused(engines, /2x3x4 voxels cannot be halved/, () => averagePool3d(filled(1, 2, 3, 4, 1)));
    assertRefused(engines, /1x2x2 voxels cannot be halved/, () => averagePool3d(filled(1, 1, 2, 2, 1)));
    assertRefused(engines, /is needed, not \[2, 2, 2\]/, () => averagePool3d(filled(2, 2, 2)));
  });
});

describe('upsampleTrilinear against the plain loops', () => {
  const engines = bothEngines();

  for (const [shape, factor] of [
    [[1, 1, 1, 1, 1], 8],
    [[3, 1, 3, 5, 3], 2],
    [[1, 3, 5, 2, 17], 2],
    [[2, 2, 1, 3, 5], 3],
    [[1, 2, 3, 2, 2], 4],
  ] as const) {
    it(`${shape.join('x')} by ${String(factor)}`, () => {
      const trial = trialOf({ x: shape }, ({ x }) => upsampleTrilinear(x as tf.Tensor, factor));
      // Each weight is a product of three, each rounded twice: six more operations per term.
      assertLinear(engines, trial, { y: 8 + 6, x: (2 * factor) ** 3 + 6 });
    });
  }

  it('has the gradient of its values', () => {
    assertSlopes(
      engines.native,
      trialOf({ x: [2, 1, 2, 3, 3] }, ({ x }) => upsampleTrilinear(x as tf.Tensor, 2)),
    );
  });

  it('halves the way between neighbours at the quarters, clamps at the edges', () => {
    engines.native.activate();
    const y = tf.tidy(() => [...upsampleTrilinear(tf.tensor([0, 8], [1, 1, 1, 2, 1]), 2).dataSync()]);
    const line = [0, 2, 6, 8];
    assert.deepEqual(y, [line, line, line, line].flat());
  });

  it('adds to another tensor as an addition would, with the same gradients', () => {
    const shapes = { x: [2, 1, 3, 5, 8], onto: [2, 2, 6, 10, 8] };
    const together = trialOf(shapes, ({ x, onto }) => upsampleTrilinear(x as tf.Tensor, 2, onto));
    const apart = trialOf(shapes, ({ x, onto }) =>
      addTensors(upsampleTrilinear(x as tf.Tensor, 2), onto as tf.Tensor),
    );
    for (const engine of [engines.native, engines.reference])
      assert.deepEqual(measure(engine, together), measure(engine, apart));
    assertRefused(engines, /\[1, 1, 2, 2, 1\] up-sampled by 2 cannot be added to \[1, 2, 4, 2, 1\]/, () =>
      upsampleTrilinear(filled(1, 1, 2, 2, 1), 2, filled(1, 2, 4, 2, 1)),
    );
  });

  it('gives the tensor itself for factor 1, and its gradient', () => {
    const trial = trialOf({ x: [1, 1, 2, 3, 1] }, ({ x }) =>
      averagePool3d(upsampleTrilinear(x as tf.Tensor, 2)),
    );
    const plain = measure(engines.native, trial);
    const through = measure(engines.native, {
      ...trial,
      run: ({ x }) => averagePool3d(upsampleTrilinear(upsampleTrilinear(x as tf.Tensor, 1), 2)),
    });
    assert.deepEqual(through, plain);
  });

  it('refuses factors that are no whole numbers from 1 on', () => {
    for (const factor of [0, -2, 1.5, Number.NaN]) {
      assertRefused(engines, /cannot be up-sampled by/, () =>
        upsampleTrilinear(filled(1, 1, 2, 2, 1), factor),
      );
    }
    assertRefused(engines, /is needed, not \[4\]/, () => upsampleTrilinear(filled(4), 2));
  });
});
