import assert from 'node:assert/strict';
import { loadKernels, referenceKernels, type KernelSet } from '@lvnet/kernels';
import { adamByName, adamUpdate, initialAdam } from './adam.js';
import { buildNetwork } from './network.js';
import { numbers } from './networks.fixture.js';

const network = buildNetwork({ baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 1, kernel: 3 });
const length = network.gradientLength;
const gradientOf = (step: number) => numbers(length, `gradient ${String(step)}`);

/** PyTorch's Adam with weight_decay, in float64; `reach` bounds what roundings may have done. */
function plainAdam(steps: number, o: { learningRate: number; weightDecay: number }) {
  const w = Float64Array.from(numbers(length, 'weights'));
  const [m, v, magnitude, reach] = [0, 1, 2, 3].map(() => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let step = 1; step <= steps; step++) {
    const gradient = gradientOf(step);
    for (let i = 0; i < length; i++) {
      const g = (gradient[i] ?? 0) + o.weightDecay * (w[i] ?? 0);
      m[i] = 0.9 * (m[i] ?? 0) + 0.1 * g;
      magnitude[i] = 0.9 * (magnitude[i] ?? 0) + 0.1 * Math.abs(g);
      v[i] = 0.999 * (v[i] ?? 0) + 0.001 * g * g;
      const root = Math.sqrt((v[i] ?? 0) / (1 - 0.999 ** step)) + 1e-8;
      const rate = o.learningRate / (1 - 0.9 ** step) / root;
      w[i] = (w[i] ?? 0) - rate * (m[i] ?? 0);
      // Up to step roundings of each moment's three operations, five more of root, quotient and product, of
      // what the first moment would be without cancelling; one of the weight.
      const roundings = (3 * step + 3 * step + 5) * rate * (magnitude[i] ?? 0) + Math.abs(w[i] ?? 0);
      reach[i] = (reach[i] ?? 0) + 2 ** -24 * roundings;
    }
  }
  return { w, reach };
}

const kernelSets: KernelSet[] = [
  referenceKernels,
  ...[loadKernels()].filter((kernels) => kernels !== undefined),
];

describe('Adam', () => {
  for (const kernels of kernelSets) {
    it(`is the float64 formula for five steps, decay and bias correction included (${kernels.name})`, () => {
      const o = { learningRate: 0.01, weightDecay: 0.1 };
      const [weights, state] = [numbers(length, 'weights'), initialAdam(network)];
      for (let step = 1; step <= 5; step++) adamUpdate(kernels, weights, gradientOf(step), state, o);
      const { w, reach } = plainAdam(5, o);
      assert.equal(state.step, 5);
      weights.forEach((value, i) => {
        const off = Math.abs(value - (w[i] ?? Number.NaN));
        assert.ok(off <= (reach[i] ?? 0), `[${String(i)}] is off by ${String(off)} of ${String(reach[i])}`);
      });
    });
  }

  it('moves every weight by the learning rate in its first step, against the sign of its gradient', () => {
    const weights = new Float32Array(length);
    const gradient = gradientOf(1);
    adamUpdate(referenceKernels, weights, gradient, initialAdam(network), {
      learningRate: 0.5,
      weightDecay: 0,
    });
    weights.forEach((value, i) => {
      // m / sqrt(v) is the gradient by its own magnitude but for epsilon, 1e-8 by at least 1e-4, and roundings.
      const g = gradient[i] ?? 0;
      if (Math.abs(g) > 1e-4) assert.ok(Math.abs(value + 0.5 * Math.sign(g)) <= 0.5 * (1e-4 + 12 * 2 ** -24));
    });
  });

  it('clips the gradient to its norm only where it is longer', () => {
    const norm = Math.sqrt(gradientOf(1).reduce((sum, value) => sum + value ** 2, 0));
    const after = (clipNorm: number | undefined) => {
      const [weights, gradient, state] = [numbers(length, 'weights'), gradientOf(1), initialAdam(network)];
      adamUpdate(referenceKernels, weights, gradient, state, {
        learningRate: 0.01,
        weightDecay: 0,
        clipNorm,
      });
      return { weights, gradient, state };
    };
    const plain = after(undefined);
    assert.deepEqual(after(norm * 1.001), plain);
    const clipped = after(norm / 4);
    assert.deepEqual(clipped.gradient, gradientOf(1), 'the given one stays as it is');
    // Adam's first moments after one step are a tenth of what it was given.
    const used = Float64Array.from(clipped.state.m, (moment) => moment / Math.fround(1 - 0.9));
    const quarter = gradientOf(1).map((value) => value / 4);
    // The factor is rounded to float32, and each product is, and its tenth.
    used.forEach((value, i) => {
      assert.ok(Math.abs(value - (quarter[i] ?? 0)) <= 3 * 2 ** -24 * Math.abs(quarter[i] ?? 0));
    });
    const length2 = used.reduce((sum, value) => sum + value ** 2, 0);
    assert.ok(Math.abs(Math.sqrt(length2) - norm / 4) <= 2 * 2 ** -24 * norm);
  });

  it('names its moments as the parameters are named', () => {
    const state = initialAdam(network);
    state.m.forEach((_, i) => (state.m[i] = i));
    state.v.forEach((_, i) => (state.v[i] = -i));
    const named = adamByName(network, state);
    assert.deepEqual(
      named.map(({ name, shape }) => [name, shape]),
      network.trained.map(({ name, shape }) => [name, shape]),
    );
    assert.deepEqual(
      named.flatMap(({ m }) => [...m]),
      [...state.m],
    );
    assert.deepEqual(
      named.flatMap(({ v }) => [...v]),
      [...state.v],
    );
  });
});
