import assert from 'node:assert/strict';
import { bothEngines, measure, numbers, trialOf } from './engine.fixture.js';
import {
  addTensors,
  averagePool3d,
  batchNormTrain,
  conv3d,
  depthwise3d,
  softmaxCrossEntropy,
  tf,
  upsampleTrilinear,
  valueAndGradients,
  weightedSum,
} from './index.js';

const shape = [1, 2, 2, 4, 3];

describe('gradients of what is used more than once', () => {
  const engines = bothEngines();

  it('adds the gradients of both uses', () => {
    // Whole numbers, so that every order of additions gives the same bits.
    const values = Float32Array.from({ length: 48 }, (_, i) => (i % 7) - 3);
    const w = tf.util.sizeFromShape([3, 3, 1, 1, 1]);
    for (const engine of [engines.native, engines.reference]) {
      const trial = trialOf({ x: shape, w: [3, 3, 1, 1, 1] }, ({ x, w }) => {
        const once = conv3d(x as tf.Tensor, w as tf.Tensor);
        return addTensors(addTensors(once, x as tf.Tensor), conv3d(x as tf.Tensor, w as tf.Tensor));
      });
      trial.values['x'] = values;
      trial.values['w'] = Float32Array.from({ length: w }, (_, i) => (i % 3) - 1);
      const dy = (length: number) => Float32Array.from({ length }, (_, i) => (i % 5) - 2);
      const single = measure(
        engine,
        { ...trial, run: ({ x, w }) => conv3d(x as tf.Tensor, w as tf.Tensor) },
        dy,
      );
      const found = measure(engine, trial, dy);
      assert.deepEqual(
        found['w'],
        single['w']?.map((value) => 2 * value),
      );
      const given = dy(48);
      assert.deepEqual(
        found['x'],
        single['x']?.map((value, i) => 2 * value + (given[i] ?? 0)),
      );
    }
  });

  it('adds a tensor to itself', () => {
    const trial = trialOf({ x: shape }, ({ x }) => addTensors(x as tf.Tensor, x as tf.Tensor));
    for (const engine of [engines.native, engines.reference]) {
      const { y, x } = measure(engine, trial);
      assert.deepEqual(
        y,
        trial.values['x']?.map((value) => 2 * value),
      );
      assert.deepEqual(
        x,
        numbers(48, 'dy').map((value) => 2 * value),
      );
    }
  });

  it('adds three uses in arrays large enough for the pool', () => {
    const large = [1, 4, 32, 64, 4]; // 32,768 elements
    const trial = trialOf({ x: large }, ({ x }) => {
      const a = x as tf.Tensor;
      return addTensors(addTensors(a, upsampleTrilinear(averagePool3d(a), 2)), a);
    });
    assert.deepEqual(measure(engines.native, trial)['x'], measure(engines.native, trial)['x']);
    const { x = new Float32Array() } = measure(engines.native, trial, (length) =>
      new Float32Array(length).fill(1),
    );
    // The gradient of 1 everywhere: 1 twice, and what pooling and up-sampling hand back, whose weights add up
    // to 1 but at the edges: 3/4 or 5/4 per axis. All exact in float32.
    const allowed = new Set([27, 36, 45, 48, 60, 64, 75, 80, 100, 125].map((share) => 2 + share / 64));
    assert.ok(x.every((value) => allowed.has(value)));
  });
});

describe('valueAndGradients', () => {
  const engines = bothEngines();
  const labels = new Int32Array(16);
  const weights = () =>
    [tf.tensor(numbers(9, 'w'), [3, 3, 1, 1, 1]), tf.tensor(numbers(3, 'b'), [3])] as const;
  const input = () => tf.tensor(numbers(48, 'x'), shape);

  it('hands out each gradient in order, and the value', () => {
    engines.reference.activate();
    const before = tf.memory().numTensors;
    const [x, [w, b]] = [input(), weights()];
    const seen: [number, number][] = [];
    const value = valueAndGradients(
      () => softmaxCrossEntropy(conv3d(x, w, b), labels),
      [b, w],
      (gradient, position) => seen.push([position, gradient.length]),
    );
    assert.deepEqual(seen, [
      [0, 3],
      [1, 9],
    ]);
    assert.equal(
      value,
      tf.tidy(() => softmaxCrossEntropy(conv3d(x, w, b), labels).dataSync()[0]),
    );
    tf.dispose([x, w, b]);
    assert.equal(tf.memory().numTensors, before);
  });

  const failing: Record<string, () => void> = {
    'in the forward pass': () => {
      const [x, [w, b]] = [input(), weights()];
      valueAndGradients(
        () => weightedSum([addTensors(conv3d(x, w, b), w)], [1]),
        [w, b],
        () => undefined,
      );
    },
    'once the statistics and the loss are there': () => {
      const [x, [w]] = [input(), weights()];
      const loss = () => {
        const y = batchNormTrain(conv3d(x, w), tf.ones([3]), tf.zeros([3]), { epsilon: 1e-5 });
        softmaxCrossEntropy(y, labels);
        throw new Error('no room');
      };
      valueAndGradients(loss, [w], () => undefined);
    },
    'in the backward pass': () => {
      const [x, [w, b]] = [input(), weights()];
      const loss = () =>
        softmaxCrossEntropy(tf.relu(conv3d(depthwise3d(x, tf.ones([3, 1, 1, 1, 1])), w, b)), labels);
      valueAndGradients(loss, [w, b], () => undefined); // tfjs-core registers no gradient of its own ops
    },
    'where a parameter has no part in the value': () => {
      const [x, [w, b]] = [input(), weights()];
      valueAndGradients(
        () => softmaxCrossEntropy(conv3d(x, w), labels),
        [w, b],
        () => undefined,
      );
    },
    'in the one who takes the gradients': () => {
      const [x, [w, b]] = [input(), weights()];
      valueAndGradients(
        () => softmaxCrossEntropy(conv3d(x, w, b), labels),
        [w, b],
        () => {
          throw new Error('no room');
        },
      );
    },
  };
  for (const [where, run] of Object.entries(failing)) {
    it(`leaves no tensor behind when it fails ${where}, and works again`, () => {
      for (const engine of [engines.native, engines.reference]) {
        engine.activate();
        const before = tf.memory().numTensors;
        const trial = trialOf({ x: shape }, ({ x }) => averagePool3d(x as tf.Tensor));
        const expected = measure(engine, trial);
        assert.throws(() => {
          tf.tidy(run);
        });
        assert.equal(tf.memory().numTensors, before, `${engine.kind}: tensors leaked`);
        assert.deepEqual(measure(engine, trial), expected);
      }
    });
  }
});
