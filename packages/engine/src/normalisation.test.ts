import assert from 'node:assert/strict';
import {
  assertRefused,
  assertSlopes,
  assertStable,
  bothEngines,
  largestDifference,
  numbers,
  trialOf,
  type Trial,
} from './engine.fixture.js';
import { batchNormInfer, batchNormTrain, tf, type BatchStatistics } from './index.js';

const activations = ['none', 'elu', 'relu'] as const;
const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);

/** Values around 2 with a deviation near 1.7, as a convolution gives them. */
function shifted(trial: Trial): Trial {
  const { x, variance, ...rest } = trial.values;
  const values = {
    ...rest,
    ...(x === undefined ? {} : { x: x.map((value) => 3 * value + 2) }),
    ...(variance === undefined ? {} : { variance: variance.map((value) => 1.1 + value) }),
  };
  return { ...trial, values };
}

describe('batchNormTrain against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  for (const activation of activations)
    for (const shape of [
      [1, 1, 1, 3, 1],
      [3, 3, 5, 7, 3],
      [2, 1, 9, 11, 5],
      [1, 2, 3, 7, 17],
    ]) {
      it(`${shape.join('x')} ${activation}`, () => {
        const c = shape[4] ?? 0;
        const trial = trialOf({ x: shape, gamma: [c], beta: [c] }, ({ x, gamma, beta }) =>
          batchNormTrain(x as tf.Tensor, gamma as tf.Tensor, beta as tf.Tensor, {
            epsilon: 1e-5,
            activation,
          }),
        );
        assertStable(engines, shifted(trial), ['y', 'x', 'gamma', 'beta']);
      });
    }

  it('has the gradients of its values', () => {
    for (const activation of ['none', 'elu'] as const) {
      const trial = trialOf({ x: [2, 2, 3, 3, 3], gamma: [3], beta: [3] }, ({ x, gamma, beta }) =>
        batchNormTrain(x as tf.Tensor, gamma as tf.Tensor, beta as tf.Tensor, { epsilon: 1e-5, activation }),
      );
      assertSlopes(engines.native, shifted(trial));
    }
  });

  it('tells mean, biased variance and count', () => {
    for (const engine of [engines.native, engines.reference]) {
      engine.activate();
      let seen: BatchStatistics | undefined;
      tf.tidy(() =>
        batchNormTrain(tf.tensor([1, 10, 3, 30], [1, 1, 1, 2, 2]), filled(2), filled(2), {
          epsilon: 1e-5,
          onStatistics: (statistics) => (seen = statistics),
        }),
      );
      assert.deepEqual(seen && [[...seen.mean], [...seen.variance], seen.count], [[2, 20], [1, 100], 2]);
    }
  });

  it('keeps the variance of small deviations from a large mean', () => {
    engines.native.activate();
    let variance = Number.NaN;
    // 4096 +- 1/4: the mean is exact in float32, every deviation too.
    const values = Float32Array.from({ length: 1_000 }, (_, i) => 4096 + (i % 2 === 0 ? 0.25 : -0.25));
    tf.tidy(() =>
      batchNormTrain(tf.tensor(values, [1, 10, 10, 10, 1]), filled(1), filled(1), {
        epsilon: 1e-5,
        onStatistics: (statistics) => (variance = statistics.variance[0] ?? Number.NaN),
      }),
    );
    assert.equal(variance, 1 / 16);
  });

  it('lets what is not a number pass, whatever the activation', () => {
    for (const activation of activations)
      for (const engine of [engines.native, engines.reference]) {
        engine.activate();
        const x = Float32Array.of(1, Number.NaN, 3, 4);
        const y = tf.tidy(() =>
          batchNormTrain(tf.tensor(x, [1, 1, 1, 4, 1]), filled(1), filled(1), { epsilon: 1e-5, activation })
            .dataSync<'float32'>()
            .slice(),
        );
        assert.ok(y.every(Number.isNaN), `${engine.kind} ${activation}: ${[...y].join(' ')}`);
      }
  });

  it('refuses parameters of another length', () => {
    const run = (gamma: number, beta: number) => () =>
      batchNormTrain(filled(1, 1, 2, 2, 3), filled(gamma), filled(beta), { epsilon: 1e-5 });
    assertRefused(engines, /gamma \[2\] should be \[3\]/, run(2, 3));
    assertRefused(engines, /beta \[4\] should be \[3\]/, run(3, 4));
  });
});

describe('batchNormInfer against the plain loops', () => {
  const engines = bothEngines();
  const names = ['x', 'gamma', 'beta', 'mean', 'variance'] as const;

  for (const activation of activations)
    for (const c of [1, 3, 5, 17]) {
      it(`${String(c)} channels, ${activation}`, () => {
        const shape = [3, 1, 5, 7, c];
        const trial = shifted(
          trialOf({ x: shape, gamma: [c], beta: [c], mean: [c], variance: [c] }, () => filled(1)),
        );
        const infer = (values: Trial['values']): Float32Array =>
          tf.tidy(() => {
            const [x, gamma, beta, mean, variance] = names.map((name) =>
              tf.tensor(values[name] ?? [], name === 'x' ? shape : [c]),
            ) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
            const y = batchNormInfer(x, { gamma, beta, mean, variance }, { epsilon: 1e-5, activation });
            return y.dataSync<'float32'>().slice();
          });
        engines.reference.activate();
        const expected = infer(trial.values);
        engines.native.activate();
        const off = largestDifference(infer(trial.values), expected);
        // x - mean, / deviation, * gamma, + beta, the activation's 3 * 2^-24: ten roundings of at most what the
        // largest sum of magnitudes is. |x| <= 5, |mean| <= 1, deviation >= sqrt(0.1), |gamma|, |beta| <= 1.
        const largest = 6 / Math.sqrt(0.1) + 1;
        assert.ok(off <= 10 * 2 ** -24 * largest, String(off));
      });
    }

  it('refuses statistics of another length', () => {
    const run = (mean: number, variance: number) => () =>
      batchNormInfer(
        filled(1, 1, 1, 2, 3),
        { gamma: filled(3), beta: filled(3), mean: filled(mean), variance: filled(variance) },
        { epsilon: 1e-5 },
      );
    assertRefused(engines, /mean \[1\] should be \[3\]/, run(1, 3));
    assertRefused(engines, /variance \[2\] should be \[3\]/, run(3, 2));
  });

  it('equals training mode when given the batch statistics', () => {
    for (const engine of [engines.native, engines.reference]) {
      const trial = shifted(
        trialOf({ x: [2, 3, 5, 7, 5], gamma: [5], beta: [5] }, ({ x, gamma, beta }) => {
          let statistics: BatchStatistics | undefined;
          const p = { gamma: gamma as tf.Tensor, beta: beta as tf.Tensor };
          const trained = batchNormTrain(x as tf.Tensor, p.gamma, p.beta, {
            epsilon: 1e-5,
            activation: 'elu',
            onStatistics: (seen) => (statistics = seen),
          });
          const inferred = batchNormInfer(
            x as tf.Tensor,
            {
              ...p,
              mean: tf.tensor(statistics?.mean ?? []),
              variance: tf.tensor(statistics?.variance ?? []),
            },
            { epsilon: 1e-5, activation: 'elu' },
          );
          const off = largestDifference(inferred.dataSync<'float32'>(), trained.dataSync<'float32'>());
          // TensorFlow takes other ways in training and inference: ten roundings of at most 4, as above.
          assert.ok(off <= (engine.kind === 'tensorflow' ? 10 * 2 ** -24 * 4 : 0), String(off));
          tf.dispose(inferred);
          return trained;
        }),
      );
      engine.activate();
      tf.tidy(() =>
        trial.run(
          Object.fromEntries(
            Object.entries(trial.shapes).map(([name, shape]) => [
              name,
              tf.tensor(trial.values[name] ?? [], [...shape]),
            ]),
          ),
        ),
      );
    }
  });
});
