import assert from 'node:assert/strict';
import {
  assertLinear,
  assertRefused,
  assertSlopes,
  assertStable,
  bothEngines,
  measure,
  measureNative,
  numbers,
  trialOf,
} from './engine.fixture.js';
import { addTensors, softmaxCrossEntropy, tf, weightedSum } from './index.js';

const filled = (...shape: number[]) => tf.tensor(numbers(tf.util.sizeFromShape(shape), 'filled'), shape);
const scalars = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${String(i)}`, []]));

describe('addTensors', () => {
  const engines = bothEngines();

  for (const shape of [[1], [3, 1, 5, 7, 17], [2, 3, 3, 1, 1]]) {
    it(`adds ${shape.join('x')} as the plain loops do`, () => {
      const trial = trialOf({ a: shape, b: shape }, ({ a, b }) => addTensors(a as tf.Tensor, b as tf.Tensor));
      assert.deepEqual(measureNative(engines, trial), measure(engines.reference, trial));
      assertLinear(engines, trial, { y: 1, a: 0, b: 0 });
    });
  }

  it('refuses tensors of different shapes', () => {
    assertRefused(engines, /\[2, 3\] and \[3, 2\] cannot be added/, () =>
      addTensors(filled(2, 3), filled(3, 2)),
    );
    assertRefused(engines, /\[2, 3\] and \[1, 3\] cannot be added/, () =>
      addTensors(filled(2, 3), filled(1, 3)),
    );
  });
});

describe('weightedSum', () => {
  const engines = bothEngines();

  it('adds scalars in order, each times its weight', () => {
    const weights = [1, 0.5, 0.25, -2, 0];
    const trial = trialOf(scalars(5), (inputs) => weightedSum(Object.values(inputs), weights));
    trial.values = { s0: [1], s1: [2], s2: [4], s3: [0.125], s4: [7] } as unknown as typeof trial.values;
    for (const engine of [engines.native, engines.reference]) {
      const dy = Float32Array.of(2);
      const results = measure(engine, trial, () => dy);
      const plain = Object.fromEntries(Object.entries(results).map(([name, array]) => [name, [...array]]));
      assert.deepEqual(plain, { y: [2.75], s0: [2], s1: [1], s2: [0.5], s3: [-4], s4: [0] });
    }
  });

  it('refuses more or fewer weights than scalars', () => {
    assertRefused(engines, /2 scalars and 1 weights/, () => weightedSum([filled(), filled()], [1]));
    assertRefused(engines, /1 scalars and 2 weights/, () => weightedSum([filled()], [1, 2]));
    assertRefused(engines, /\[2\] is no scalar/, () => weightedSum([filled(2)], [1]));
  });
});

describe('softmaxCrossEntropy', () => {
  const engines = bothEngines();
  const labelsFor = (rows: number, classes: number) =>
    Int32Array.from({ length: rows }, (_, i) => (i * 7 + (i >> 2)) % classes);

  for (const [rows, classes] of [
    [1, 2],
    [315, 2],
    [99, 3],
    [35, 5],
    [8_300, 2], // more than one task of the native kernel
  ] as const) {
    it(`${String(rows)} voxels, ${String(classes)} classes, against the plain loops`, () => {
      const labels = labelsFor(rows, classes);
      const trial = trialOf({ logits: [1, 1, 1, rows, classes] }, ({ logits }) =>
        softmaxCrossEntropy(logits as tf.Tensor, labels),
      );
      trial.values['logits'] = numbers(rows * classes, 'logits').map((value) => value * 8);
      assertStable(engines, trial, ['y', 'logits']);
    });
  }

  it('has the gradient of its values', () => {
    const trial = trialOf({ logits: [2, 3, 5, 1, 3] }, ({ logits }) =>
      softmaxCrossEntropy(logits as tf.Tensor, labelsFor(30, 3)),
    );
    assertSlopes(engines.native, trial);
  });

  it('gives the logarithm of the classes where all logits are equal', () => {
    for (const engine of [engines.native, engines.reference]) {
      engine.activate();
      const loss = tf.tidy(() => softmaxCrossEntropy(tf.fill([4, 3], 7), labelsFor(4, 3)).dataSync()[0] ?? 0);
      // One exponential, one sum, one logarithm, one difference: four roundings of numbers up to 7 + log 3.
      assert.ok(Math.abs(loss - Math.log(3)) <= 4 * 2 ** -24 * (7 + Math.log(3)), String(loss));
    }
  });

  it('stays finite for logits far apart', () => {
    for (const engine of [engines.native, engines.reference]) {
      const trial = trialOf({ logits: [2, 2] }, ({ logits }) =>
        softmaxCrossEntropy(logits as tf.Tensor, Int32Array.of(1, 1)),
      );
      trial.values['logits'] = Float32Array.of(5_000, -5_000, -5_000, 5_000);
      const { y, logits } = measure(engine, trial, () => Float32Array.of(1));
      assert.deepEqual([...(y ?? [])], [5_000]);
      assert.deepEqual([...(logits ?? [])], [0.5, -0.5, 0, 0]);
    }
  });

  it('refuses labels that do not fit', () => {
    assertRefused(engines, /3 labels for 2 voxels/, () =>
      softmaxCrossEntropy(filled(2, 2), new Int32Array(3)),
    );
    for (const engine of [engines.native, engines.reference]) {
      engine.activate();
      const before = tf.memory().numTensors;
      for (const label of [-1, 2])
        assert.throws(
          () => tf.tidy(() => softmaxCrossEntropy(filled(2, 2), Int32Array.of(0, label))),
          /a label is outside the classes/,
        );
      assert.equal(tf.memory().numTensors, before);
    }
  });
});
