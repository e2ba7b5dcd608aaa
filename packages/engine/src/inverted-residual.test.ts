import assert from 'node:assert/strict';
import {
  assertRefused,
  assertSlopes,
  assertStable,
  bothEngines,
  largestDifference,
  measure,
  numbers,
  threadsOf,
  trialOf,
  type Jitter,
  type Trial,
} from './engine.fixture.js';
import {
  addTensors,
  batchNormTrain,
  conv3d,
  depthwise3d,
  invertedResidual,
  invertedResidualInfer,
  tf,
  type BatchStatistics,
  type Engine,
  type IrbParameters,
  type OnStatistics,
} from './index.js';

type Activation = 'elu' | 'relu';

interface Block {
  size: readonly [number, number, number, number];
  c: number;
  expanded: number;
  k: number;
  activation: Activation;
  biased: boolean;
}

const biases = ['expandBias', 'depthwiseBias', 'projectBias'] as const;

function shapesOf({ size, c, expanded: e, k, biased }: Block): Trial['shapes'] {
  return {
    x: [...size, c],
    expandWeight: [e, c, 1, 1, 1],
    gamma1: [e],
    beta1: [e],
    depthwiseWeight: [e, 1, k, k, k],
    gamma2: [e],
    beta2: [e],
    projectWeight: [c, e, 1, 1, 1],
    gamma3: [c],
    beta3: [c],
    ...(biased ? { expandBias: [e], depthwiseBias: [e], projectBias: [c] } : {}),
  };
}

const parametersOf = (inputs: Record<string, tf.Tensor>): IrbParameters =>
  ({
    ...Object.fromEntries(biases.map((name) => [name, null])),
    ...Object.fromEntries(Object.entries(inputs).filter(([name]) => name !== 'x')),
  }) as unknown as IrbParameters;

function blockTrial(block: Block): Trial {
  const { activation } = block;
  return trialOf(shapesOf(block), ({ x, ...p }) =>
    invertedResidual(x as tf.Tensor, parametersOf(p), { epsilon: 1e-5, activation }),
  );
}

/** The block out of its parts, with something done to what goes from one to the next. */
function byParts(
  block: Block,
  inputs: Record<string, tf.Tensor>,
  link: Jitter,
  onStatistics?: OnStatistics,
): tf.Tensor {
  const o = { epsilon: 1e-5, activation: block.activation, onStatistics };
  const p = parametersOf(inputs);
  const x = inputs['x'] as tf.Tensor;
  const expanded = link(conv3d(x, p.expandWeight, p.expandBias));
  const h1 = link(batchNormTrain(expanded, p.gamma1, p.beta1, o));
  const z = link(depthwise3d(h1, p.depthwiseWeight, p.depthwiseBias));
  const h2 = link(batchNormTrain(z, p.gamma2, p.beta2, o));
  const projected = link(conv3d(h2, p.projectWeight, p.projectBias));
  return addTensors(link(batchNormTrain(projected, p.gamma3, p.beta3, { ...o, activation: 'none' })), x);
}

const blocks: Block[] = [
  { size: [3, 3, 5, 7], c: 3, expanded: 5, k: 3, activation: 'elu', biased: true },
  { size: [1, 2, 5, 6], c: 5, expanded: 17, k: 5, activation: 'relu', biased: false },
  { size: [2, 1, 9, 11], c: 1, expanded: 1, k: 7, activation: 'elu', biased: false },
  { size: [1, 3, 4, 5], c: 17, expanded: 17, k: 3, activation: 'relu', biased: true },
  { size: [1, 2, 3, 5], c: 3, expanded: 3, k: 7, activation: 'elu', biased: true },
];

const titleOf = ({ size, c, expanded, k, activation, biased }: Block) =>
  `${size.join('x')}, ${String(c)} to ${String(expanded)} channels, k ${String(k)}, ${activation}${biased ? ', bias' : ''}`;

describe('invertedResidual against the plain loops', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  for (const block of blocks) {
    it(titleOf(block), () => {
      const trial = blockTrial(block);
      const names = Object.keys(trial.shapes).filter((name) => !biases.some((bias) => bias === name));
      assertStable(engines, trial, ['y', ...names], (inputs, jitter) => byParts(block, inputs, jitter));
    });
  }

  it('has the gradients of its values', () => {
    for (const biased of [true, false]) {
      const block: Block = { size: [1, 2, 4, 5], c: 3, expanded: 5, k: 3, activation: 'elu', biased };
      assertSlopes(engines.native, blockTrial(block));
    }
  });

  it('gives biases a gradient of exactly zero: batch norms take them out again', () => {
    const trial = blockTrial(blocks[0] as Block);
    for (const engine of [engines.native, engines.reference]) {
      const results = measure(engine, trial);
      for (const bias of biases)
        assert.ok(
          results[bias]?.every((value) => value === 0),
          bias,
        );
    }
  });

  it('is what its parts are one by one', () => {
    for (const block of blocks) {
      const trial = blockTrial(block);
      const whole = measure(engines.reference, trial);
      const parts = measure(engines.reference, {
        ...trial,
        run: (inputs) => tf.tidy(() => byParts(block, inputs, (x) => x)),
      });
      for (const [name, values] of Object.entries(whole)) {
        if (biases.some((bias) => bias === name)) continue; // rounding noise here
        // Both round to float32 between the parts: the same bits but for the residual sum, rounded once more.
        const scale = Math.max(...values.map(Math.abs));
        const off = largestDifference(parts[name], values);
        assert.ok(off <= 2 * 2 ** -24 * scale, `${titleOf(block)}: ${name}`);
      }
    }
  });

  it('tells the statistics of its three normalisations', () => {
    const block = blocks[0] as Block;
    const statisticsOf = (
      engine: Engine,
      run: (inputs: Record<string, tf.Tensor>, tell: OnStatistics) => tf.Tensor,
    ) => {
      engine.activate();
      const seen: BatchStatistics[] = [];
      tf.tidy(() => run(tensorsOf(blockTrial(block)), (statistics) => void seen.push(statistics)));
      return seen;
    };
    const whole = ({ x, ...p }: Record<string, tf.Tensor>, tell: OnStatistics) => {
      const o = { epsilon: 1e-5, activation: 'elu', onStatistics: [tell, tell, tell] } as const;
      return invertedResidual(x as tf.Tensor, parametersOf(p), o);
    };
    const parts = (inputs: Record<string, tf.Tensor>, tell: OnStatistics) =>
      byParts(block, inputs, (x) => x, tell);
    const expected = statisticsOf(engines.reference, parts);
    assert.deepEqual(statisticsOf(engines.reference, whole), expected);
    const native = statisticsOf(engines.native, whole);
    assert.deepEqual(
      native.map(({ count }) => count),
      [315, 315, 315],
    );
    expected.forEach(({ mean, variance }, i) => {
      // Sums of at most 5 * 27 products, then of 315 values kept in float64: 140 roundings are plenty.
      const scale = Math.max(...variance) + Math.max(...mean.map((value) => value ** 2));
      assert.ok(largestDifference(native[i]?.mean, mean) <= 140 * 2 ** -24 * Math.sqrt(scale));
      assert.ok(largestDifference(native[i]?.variance, variance) <= 140 * 2 ** -24 * scale);
    });
  });

  it('refuses parameters that do not fit', () => {
    const block: Block = { size: [1, 2, 2, 2], c: 3, expanded: 5, k: 3, activation: 'elu', biased: true };
    const run = (over: Record<string, number[] | null>) => () => {
      const { x, ...p } = tensorsOf(blockTrial(block));
      const changed = Object.entries(over).map(([name, shape]) => [
        name,
        shape === null ? null : tf.zeros(shape),
      ]);
      const parameters = { ...parametersOf(p), ...Object.fromEntries(changed) } as IrbParameters;
      return invertedResidual(x as tf.Tensor, parameters, { epsilon: 1e-5, activation: 'elu' });
    };
    assertRefused(engines, /expandWeight \[5, 4, 1, 1, 1\]/, run({ expandWeight: [5, 4, 1, 1, 1] }));
    assertRefused(engines, /kernel of a block is 3, 5 or 7/, run({ depthwiseWeight: [5, 1, 1, 1, 1] }));
    assertRefused(engines, /gamma1 \[3\] should be \[5\]/, run({ gamma1: [3] }));
    assertRefused(engines, /depthwise weights \[5, 1, 3, 3, 5\]/, run({ depthwiseWeight: [5, 1, 3, 3, 5] }));
    assertRefused(engines, /depthwise weights \[5, 1, 2, 2, 2\]/, run({ depthwiseWeight: [5, 1, 2, 2, 2] }));
    assertRefused(engines, /projectWeight \[5, 3, 1, 1, 1\]/, run({ projectWeight: [5, 3, 1, 1, 1] }));
    assertRefused(engines, /beta3 \[5\] should be \[3\]/, run({ beta3: [5] }));
    assertRefused(engines, /projectBias \[5\] should be \[3\]/, run({ projectBias: [5] }));
    assertRefused(engines, /all three convolutions or none/, run({ depthwiseBias: null }));
    assertRefused(engines, /all three convolutions or none/, run({ expandBias: null }));
  });
});

const tensorsOf = (trial: Trial): Record<string, tf.Tensor> =>
  Object.fromEntries(
    Object.entries(trial.shapes).map(([name, shape]) => [
      name,
      tf.tensor(trial.values[name] ?? [], [...shape]),
    ]),
  );

describe('invertedResidualInfer', () => {
  const engines = bothEngines();

  function statisticsOf({ c, expanded }: Block) {
    const positive = (length: number, key: string) => numbers(length, key).map((value) => 1.5 + value);
    return {
      mean1: numbers(expanded, 'mean1'),
      variance1: positive(expanded, 'variance1'),
      mean2: numbers(expanded, 'mean2'),
      variance2: positive(expanded, 'variance2'),
      mean3: numbers(c, 'mean3'),
      variance3: positive(c, 'variance3'),
    };
  }

  type Statistics = ReturnType<typeof statisticsOf>;

  function infer(engine: Engine, trial: Trial, activation: Activation, statistics: Statistics): Float32Array {
    engine.activate();
    const before = tf.memory().numTensors;
    const y = tf.tidy(() => {
      const { x, ...p } = tensorsOf(trial);
      const o = { epsilon: 1e-5, activation, statistics };
      return invertedResidualInfer(x as tf.Tensor, parametersOf(p), o)
        .dataSync<'float32'>()
        .slice();
    });
    assert.equal(tf.memory().numTensors, before, 'tensors leaked');
    return y;
  }

  const mapped = (arrays: Record<string, Float32Array>, change: (value: number, name: string) => number) =>
    Object.fromEntries(
      Object.entries(arrays).map(([name, array]) => [name, array.map((value) => change(value, name))]),
    );

  for (const block of blocks) {
    it(`${titleOf(block)}, against the plain loops`, () => {
      const { native, reference } = engines;
      const [trial, statistics] = [blockTrial(block), statisticsOf(block)];
      const expected = infer(reference, trial, block.activation, statistics);
      const [one, ...others] = threadsOf(native).map((threads) => {
        native.setThreads(threads);
        return infer(native, trial, block.activation, statistics);
      });
      for (const other of others) assert.deepEqual(other, one, 'other bytes with other threads');
      // A chain of three sums of products: each rounding is of at most what the same chain gives for absolute
      // values (which no activation changes; its values and slopes are at most |u| and 1), and there are as many as
      // terms, with eight more per link for normalisation and activation.
      const absolute = { ...trial, values: mapped(trial.values, Math.abs) };
      const away = mapped(statistics, (value, name) => (name.startsWith('mean') ? -Math.abs(value) : value));
      const magnitudes = infer(reference, absolute, 'relu', away as Statistics);
      const terms = block.c + block.k ** 3 + block.expanded + 3 * 8;
      expected.forEach((value, i) => {
        const bound = terms * 2 ** -24 * (magnitudes[i] ?? 0);
        const off = Math.abs(value - (one?.[i] ?? Number.NaN));
        assert.ok(off <= bound, `[${String(i)}] is off by ${String(off)}, more than ${String(bound)}`);
      });
    });
  }

  it('refuses statistics that do not fit', () => {
    const block = blocks[0] as Block;
    assertRefused(engines, /variance2 has 2 values, not 5/, () => {
      const { x, ...p } = tensorsOf(blockTrial(block));
      const statistics = { ...statisticsOf(block), variance2: new Float32Array(2) };
      return invertedResidualInfer(x as tf.Tensor, parametersOf(p), {
        epsilon: 1e-5,
        activation: 'elu',
        statistics,
      });
    });
  });
});
