/** Holds the tensorflow engine to all that is asked of the native one, operation by operation. */
import assert from 'node:assert/strict';
import '../arithmetic.test.js';
import '../convolution.test.js';
import '../dense-convolution.test.js';
import '../dense-operations.test.js';
import { bothEngines, numbers, putOnTrial } from '../engine.fixture.js';
import '../gradients.test.js';
import { openEngine, tf } from '../index.js';
import '../inverted-residual.test.js';
import '../normalisation.test.js';
import { declaredOperations } from '../operation.js';
import '../resampling.test.js';
import { settle } from './aside.js';
import { isAsGood, normaliseFused, normaliseSimply, type Normalise } from './batch-norm.js';
import { findBinding } from './binding.js';
import * as ops from './ops.js';

putOnTrial('tensorflow');

const ran = new Set<string>();

before(async () => {
  if (findBinding() === undefined) return; // the suites say so
  await openEngine({ kind: 'tensorflow', threads: 2 });
  for (const name of declaredOperations()) {
    const kernel = tf.getKernel(name, 'lvnet-tensorflow');
    const { kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      ran.add(name);
      return kernelFunc(call);
    };
  }
});

describe('the suites above', () => {
  bothEngines();

  it('ran every operation on TensorFlow', () => {
    assert.deepEqual([...ran].sort(), declaredOperations().sort());
  });
});

describe('the batch norm of GPUs', () => {
  bothEngines();

  beforeEach(() => openEngine({ kind: 'tensorflow', threads: 2 }));

  it('agrees with the simple operations wherever it runs', () => {
    assert.ok(isAsGood(normaliseFused));
  });

  /** Fused, but for what is changed of it, by the how-manieth time it is asked. */
  const changed =
    (change: (of: ReturnType<Normalise>, time: number) => Partial<ReturnType<Normalise>>): Normalise =>
    (...given) => {
      const right = normaliseFused(...given);
      return { ...right, ...change(right, ++times) };
    };
  let times = 0;
  const wrong: Record<string, Normalise> = {
    'with another result': changed(({ y }) => ({ y: ops.multiplyNumber(y, 1.001) })),
    'with another gradient of gamma': changed(({ gradient }) => ({
      gradient: (dy) => {
        const [dx, dgamma, dbeta] = gradient(dy);
        return [dx, ops.multiplyNumber(dgamma, 1.001), dbeta];
      },
    })),
    'with the unbiased variance': changed(({ tell }) => ({
      tell: (into) => {
        tell(into);
        settle();
        into.variance.set(into.variance.map((value) => 1.001 * value));
      },
    })),
    'not the same the second time': changed(({ y }, time) => ({
      y: ops.addNumber(y, time % 2 === 0 ? 1e-6 : 0),
    })),
  };
  for (const [how, normalise] of Object.entries(wrong))
    it(`is not taken ${how}`, () => {
      assert.equal(isAsGood(normalise), false);
    });

  for (const [name, normalise] of Object.entries({ normaliseSimply, normaliseFused }))
    it(`${name} lets go of its gradients with those who hold them`, () => {
      tf.tidy(() => {
        const made = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), name), shape);
        const [x, dy] = [made(1, 2, 3, 5, 4), made(1, 2, 3, 5, 4)];
        const { gradient } = normalise(x, made(4), made(4), 1e-5);
        const before = tf.memory().numDataBuffers;
        tf.dispose(gradient(dy));
        assert.equal(tf.memory().numDataBuffers, before);
      });
    });
});

describe('operations number by number', () => {
  bothEngines();

  const made = (...shape: number[]) =>
    tf.tensor(Float32Array.from(numbers(tf.util.sizeFromShape(shape), 'x')), shape);
  for (const [a, b] of [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [[2, 3], []],
    [[2, 1, 1, 3], [3]],
  ] as const)
    it(`adds [${a.join(',')}] and [${b.join(',')}]`, async () => {
      await openEngine({ kind: 'tensorflow', threads: 2 });
      tf.tidy(() => {
        const [x, y] = [made(...a), made(...b)];
        const [xs, ys] = [x.dataSync(), y.dataSync()];
        const sum = tf.add(x, y);
        assert.deepEqual(sum.shape, [...a]);
        assert.deepEqual(
          sum.dataSync(),
          xs.map((value, i) => value + (ys[i % ys.length] ?? Number.NaN)),
        );
      });
    });
  for (const [a, b] of [
    [[], [3]],
    [[3], [2, 3]],
    [
      [2, 1],
      [1, 2],
    ],
    [[2, 3], [2]],
    [
      [2, 3],
      [3, 2],
    ],
  ] as const)
    it(`refuses [${a.join(',')}] and [${b.join(',')}] rather than to take one for the other`, async () => {
      await openEngine({ kind: 'tensorflow', threads: 2 });
      tf.tidy(() => {
        assert.throws(() => tf.add(made(...a), made(...b)), /AddV2: no inputs of .* together/);
      });
    });
});
