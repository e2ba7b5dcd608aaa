import assert from 'node:assert/strict';
import { counterRandom } from '@lvnet/core';
import { openEngine, type Engine } from '@lvnet/engine';
import { referenceKernels } from '@lvnet/kernels';
import { buildNetwork } from './network.js';
import { traceNetwork, type NetworkTrace } from './trace.js';
import { copyWeights, initialWeights } from './weights.js';

const network = buildNetwork({ baseWidth: 2, levels: 3, blocksPerStage: 1, expansionRate: 2, kernel: 3 });
const shape = [2, 4, 8, 4] as const;
const voxels = 4 * 8 * 4;
const random = counterRandom('trace test');
const image = Float32Array.from({ length: 2 * voxels }, () => random.next() * 4 - 2);
const label = Int32Array.from({ length: 2 * voxels }, () => random.below(3));
const eta = [0.25, 0.5];

/** Mean cross entropy and mean (softmax - truth) of class 1, in float64 from the logits [2, 2, ...]. */
function judge(logits: Float32Array): { loss: number; slope: number } {
  let [loss, slope] = [0, 0];
  for (let i = 0; i < 2 * voxels; i++) {
    const sample = Math.floor(i / voxels);
    const [a, b] = [0, 1].map((c) => logits[(2 * sample + c) * voxels + (i % voxels)] ?? 0);
    const [first = 0, second = 0] = [a, b];
    const p = 1 / (1 + Math.exp(first - second));
    const truth = (label[i] ?? 0) >= 1 ? 1 : 0; // tumour counts as liver
    loss -= Math.log(truth === 1 ? p : 1 - p);
    slope += p - truth;
  }
  return { loss: loss / (2 * voxels), slope: slope / (2 * voxels) };
}

describe('traceNetwork', () => {
  const weights = initialWeights(network.config, 5);
  let engine: Engine;
  let trace: NetworkTrace;
  before(async () => {
    engine = await openEngine({ kind: 'reference' });
    const before = copyWeights(network.config, weights);
    const tensors = engine.memory().tensorCount;
    trace = traceNetwork(engine, network, weights, image, label, { shape, eta, order: 'coarse-to-fine' });
    assert.equal(engine.memory().tensorCount, tensors, 'no tensor is left');
    assert.deepEqual(weights, before, 'the weights stay as they are');
  });

  it('gives logits, channels first, from which its losses follow', () => {
    assert.deepEqual(
      trace.logits.map((head) => [head.name, head.shape]),
      ['main', '1', '2'].map((name) => [name, [2, 2, 4, 8, 4]]),
    );
    const { total, heads } = trace.losses;
    for (const [i, { name, value }] of heads.entries()) {
      const found = judge(trace.logits[i]?.values ?? new Float32Array());
      // Each voxel's term is rounded to float32 a few times; it is below 4, so 1e-6 covers their mean.
      assert.ok(Math.abs(found.loss - value) < 1e-6, `${name}: ${String(found.loss)} ${String(value)}`);
    }
    const [main = 0, coarse = 0, fine = 0] = heads.map((head) => head.value);
    assert.equal(total, Math.fround(main + 0.25 * coarse + 0.5 * fine));
  });

  it('gives the gradient of the total loss for every parameter, by name and shape', () => {
    assert.deepEqual(
      trace.gradients.map(({ name, shape: own, values }) => [name, own, values.length]),
      network.trained.map((spec) => [spec.name, spec.shape, spec.shape.reduce((a, b) => a * b, 1)]),
    );
    const weightOf: Record<string, number> = { output: 1, head1: 0.25, head2: 0.5 };
    for (const [i, name] of ['output', 'head1', 'head2'].entries()) {
      const { values } = trace.gradients.find((item) => item.name === `${name}.bias`) ?? assert.fail(name);
      const slope = judge(trace.logits[i]?.values ?? new Float32Array()).slope * (weightOf[name] ?? 0);
      // Up-sampling spreads a bias evenly, so its slope is the mean over the full size. 256 terms below 1.
      assert.ok(Math.abs((values[1] ?? 0) - slope) < 1e-6, name);
      assert.ok(Math.abs((values[0] ?? 0) + slope) < 1e-6, name);
    }
  });

  it('gives running statistics after one update with momentum 0.1', () => {
    const stem = trace.statistics[0] ?? assert.fail('no statistics');
    assert.equal(stem.layer, 'stem.bn');
    const y = new Float32Array(2 * 2 * voxels);
    const [n, d, h, w] = shape;
    const stemWeight = weights.byName.get('stem.conv.weight') ?? assert.fail('no stem');
    referenceKernels.conv3dForward({ n, d, h, w, ci: 1, co: 2, k: 3 }, image, stemWeight, null, y);
    for (const channel of [0, 1]) {
      const values = [...y].filter((_, i) => i % 2 === channel);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const unbiased = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
      // Values below 2, float32 at 2^-23 a few times over.
      assert.ok(Math.abs((stem.mean[channel] ?? 0) - 0.1 * mean) < 1e-6);
      assert.ok(Math.abs((stem.variance[channel] ?? 0) - (0.9 + 0.1 * unbiased)) < 1e-6);
    }
    assert.equal(trace.statistics.length, network.state.filter((s) => s.kind === 'runningMean').length);
  });
});
