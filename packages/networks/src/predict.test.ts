import assert from 'node:assert/strict';
import { tf } from '@lvnet/engine';
import {
  applyStatistics,
  buildNetwork,
  copyWeights,
  lengthOf,
  predictForeground,
  shardGradient,
  type Network,
  type Weights,
} from './index.js';
import { judged, largestDifference, type Setting } from './judged-network.fixture.js';
import { bothEngines } from './engines.fixture.js';
import { bytesOf, exampleOf, trainedLike } from './networks.fixture.js';
import type { PlainPass } from './plain-network.fixture.js';
import { planOf, withFoldedNorms } from './plan.js';

/** Running statistics that are those of the batch: mean and biased variance. */
function withStatisticsOf(network: Network, weights: Weights, { statistics }: PlainPass): Weights {
  for (const { name, kind } of network.state) {
    const found = statistics.get(name.slice(0, name.lastIndexOf('.')));
    if (kind === 'runningMean') weights.byName.get(name)?.set(found?.mean ?? []);
    if (kind === 'runningVariance') weights.byName.get(name)?.set(found?.variance ?? []);
  }
  return weights;
}

const foregroundOf = (logits: Float64Array, classes: number): Float64Array =>
  Float64Array.from({ length: logits.length / classes }, (_, voxel) => {
    const powers = [...logits.subarray(voxel * classes, (voxel + 1) * classes)].map(Math.exp);
    return 1 - (powers[0] ?? 0) / powers.reduce((sum, power) => sum + power, 0);
  });

describe('prediction', function () {
  this.timeout(20_000);
  const engines = bothEngines();
  const size = [4, 4, 8] as const;

  const setting: Setting = {
    options: { baseWidth: 3, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3, classes: 3 },
    shape: [1, ...size],
    eta: [0],
  };

  for (const activation of ['elu', 'relu']) {
    it(`is what training saw when the running statistics are the batch's (${activation})`, () => {
      const { network, weights, plain } = judged(engines, {
        ...setting,
        options: { ...setting.options, activation },
      });
      const expected = plain();
      withStatisticsOf(network, weights, expected);
      const { image } = exampleOf([1, ...size], 3);
      const truth = foregroundOf(expected.logits[0] ?? new Float64Array(), 3);
      // As far as the float64 pass moves when its statistics are rounded to float32 as the weights hold them,
      // and each of some fifty float32 operations in a row does the same: the statistics moved by fifty
      // roundings.
      const moved = predictForeground(
        engines.reference,
        network,
        movedStatistics(network, weights),
        image,
        size,
      );
      const found = predictForeground(engines.reference, network, weights, image, size);
      const tolerance = largestDifference(moved, found);
      assert.ok(tolerance > 0 && tolerance < 1e-3);
      assert.ok(largestDifference(found, truth) <= tolerance);
      assert.ok(
        largestDifference(predictForeground(engines.native, network, weights, image, size), truth) <=
          tolerance,
      );
    });
  }

  function movedStatistics(network: Network, weights: Weights): Weights {
    const moved = trainedLike(network);
    moved.parameters.set(weights.parameters);
    moved.statistics.set(
      weights.statistics.map((value, i) => value * (1 + (i % 2 === 0 ? 50 : -50) * 2 ** -24)),
    );
    return moved;
  }

  for (const [options, shape] of [
    [{ name: 'u-net', baseWidth: 3, classes: 3 }, [2, 32, 48]],
    [{ name: 'ce-net', baseWidth: 4 }, [1, 192, 192]],
    [{ name: 'v-net', baseWidth: 2 }, [16, 32, 16]],
  ] as const) {
    it(`is what training saw when the running statistics are the batch's (${options.name}, norms folded)`, () => {
      const network = buildNetwork(options);
      const weights = trainedLike(network);
      const { classes } = network.config;
      const { image, label } = exampleOf([1, ...shape], classes);
      let logits = new Float64Array();
      const { statistics } = shardGradient(engines.native, network, weights, image, label, {
        ...{ shape: [1, ...shape], eta: [], order: 'coarse-to-fine' },
        onLogits: (_head, values) => (logits = Float64Array.from(values)),
      });
      const updated = copyWeights(network.config, weights);
      applyStatistics(updated, statistics);
      const layers = planOf(network.config, shape).layers.map(
        ({ name, size }) => [name, lengthOf(size)] as const,
      );
      const voxelsOf = new Map(layers);
      for (const { name, kind } of network.state) {
        if (kind !== 'runningMean' && kind !== 'runningVariance') continue;
        const voxels = voxelsOf.get(name.slice(0, name.lastIndexOf('.'))) ?? assert.fail(name);
        const biased = kind === 'runningMean' ? 1 : (voxels - 1) / voxels;
        const [before, after] = [weights, updated].map(({ byName }) => byName.get(name) ?? assert.fail(name));
        const batch = after?.map((value, i) => ((value - 0.9 * (before?.[i] ?? 0)) / 0.1) * biased);
        before?.set(batch ?? []);
      }
      const truth = foregroundOf(logits, classes);
      // The batch's statistics are got back from their momentum update, which leaves ten roundings of each.
      for (const engine of [engines.native, engines.reference])
        assert.ok(largestDifference(predictForeground(engine, network, weights, image, shape), truth) < 5e-4);
    });
  }

  for (const [options, shape] of [
    [{ name: 'u-net', baseWidth: 2 }, [1, 16, 16]],
    [{ name: 'ce-net', baseWidth: 4 }, [1, 192, 192]],
    [{ name: 'v-net', baseWidth: 1 }, [16, 16, 16]],
    [{ name: '3d-u-net', baseWidth: 2, groups: 2 }, [4, 8, 8]],
    [{ name: 'lv-net', baseWidth: 2, levels: 3 }, [4, 8, 12]],
  ] as const) {
    it(`of ${options.name} folds the norms that the plan folds, and no others`, () => {
      const { kernels } = engines.native;
      const network = buildNetwork(options);
      const plan = planOf(network.config, shape, false);
      const norms = ({ steps }: typeof plan) => steps.filter(({ kind }) => kind === 'norm').length;
      const left = norms(withFoldedNorms(plan));
      const calls = { folded: 0, left: 0 };
      const original = { ...kernels };
      const counted = <A extends unknown[]>(run: (...given: A) => void, as: keyof typeof calls) => {
        return (...given: A) => {
          calls[as]++;
          run(...given);
        };
      };
      Object.assign(kernels, {
        convolutionInfer: counted(kernels.convolutionInfer.bind(kernels), 'folded'),
        conv3dInfer: counted(kernels.conv3dInfer.bind(kernels), 'folded'),
        batchNormForward: counted(kernels.batchNormForward.bind(kernels), 'left'),
      });
      try {
        const image = new Float32Array(shape[0] * shape[1] * shape[2]);
        predictForeground(engines.native, network, trainedLike(network), image, shape);
      } finally {
        Object.assign(kernels, original);
      }
      assert.deepEqual(calls, { folded: norms(plan) - left, left });
      assert.equal(calls.folded > 0, options.name !== '3d-u-net');
    });
  }

  it('gives the same bytes for any number of threads, and leaves no tensor behind', () => {
    const network = buildNetwork({ baseWidth: 4, levels: 3, blocksPerStage: 1 });
    const weights = trainedLike(network);
    const { image } = exampleOf([1, 8, 20, 24], 2);
    const before = tf.memory().numTensors;
    const [one, two, three] = [1, 2, 3].map((threads) => {
      engines.native.setThreads(threads);
      return predictForeground(engines.native, network, weights, image, [8, 20, 24]);
    });
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    assert.ok(bytesOf(one).equals(bytesOf(two)) && bytesOf(one).equals(bytesOf(three)));
    assert.ok(one.every((p) => p >= 0 && p <= 1) && new Set(one).size > 1_000);
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses what does not fit, and leaves no tensor behind', () => {
    const network = buildNetwork(setting.options);
    const weights = trainedLike(network);
    const without = (missing: string): Weights => ({
      ...weights,
      byName: new Map([...weights.byName].filter(([name]) => name !== missing)),
    });
    const image = new Float32Array(128);
    const predict = (of: Weights, voxels = image, shape: readonly [number, number, number] = size) =>
      predictForeground(engines.native, network, of, voxels, shape);
    const wrong: [string, RegExp, () => unknown][] = [
      ['SHAPE_MISMATCH', /4x4x9 does not fit/, () => predict(weights, image, [4, 4, 9])],
      ['SHAPE_MISMATCH', /The image has 5 voxels, not 128/, () => predict(weights, new Float32Array(5))],
      ['WEIGHTS_MISMATCH', /lack dec0\.0\.project\.weight/, () => predict(without('dec0.0.project.weight'))],
      ['WEIGHTS_MISMATCH', /lack up0\.bn\.running_var/, () => predict(without('up0.bn.running_var'))],
      [
        'WEIGHTS_MISMATCH',
        /lack enc0\.0\.bn2\.running_mean/,
        () => predict(without('enc0.0.bn2.running_mean')),
      ],
    ];
    for (const [code, message, fails] of wrong) {
      const before = tf.memory().numTensors;
      assert.throws(fails, { name: 'Failure', code, message });
      assert.equal(tf.memory().numTensors, before, String(message));
    }
  });
});
