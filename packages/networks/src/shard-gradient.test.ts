import assert from 'node:assert/strict';
import { tf } from '@lvnet/engine';
import { buildNetwork, initialWeights, shardGradient } from './index.js';
import { assertGradients, assertLosses, judged, settings } from './judged-network.fixture.js';
import { bothEngines } from './engines.fixture.js';
import { byName, bytesOf, exampleOf, trainedLike } from './networks.fixture.js';
import type { ShardOptions } from './shard-gradient.js';

describe('a shard against the network in float64', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  it('small: the gradient of every tensor', () => {
    assertGradients(judged(engines, settings.small), (tensor) => tensor);
  });

  for (const title of [
    'small',
    'epsilon 1, kernel 7, relu',
    'three levels, kernel 5, fine to coarse',
  ] as const) {
    it(`${title}: losses, batch statistics and the gradient as a whole`, () => {
      const shard = judged(engines, settings[title]);
      assertLosses(shard);
      assertGradients(shard, () => 'all');
    });
  }

  it('gives heads that are off a gradient of zero', () => {
    const { network, run } = judged(engines, settings['all heads off']);
    for (const [name, gradient] of byName(network, run('native').gradients)) {
      const isZero = gradient.every((value) => value === 0);
      // Biases of the full-size blocks stand before batch norms, which take them out again.
      assert.equal(isZero, /^head|(expand|depthwise|project)\.bias$/.test(name), name);
    }
  });

  it('gives each eta to its head, from coarse to fine or the other way round', () => {
    const { network, weights } = judged(engines, settings['three levels, kernel 5, fine to coarse']);
    const { image, label } = exampleOf([1, 4, 4, 8], 3);
    const zeroHeads = (order: ShardOptions['order']) => {
      const o = { shape: [1, 4, 4, 8], eta: [0, 1], order } as const;
      const { gradients } = shardGradient(engines.native, network, weights, image, label, o);
      const byTensor = byName(network, gradients);
      return ['head1', 'head2'].filter((head) =>
        byTensor.get(`${head}.weight`)?.every((value) => value === 0),
      );
    };
    assert.deepEqual(zeroHeads('coarse-to-fine'), ['head1']);
    assert.deepEqual(zeroHeads('fine-to-coarse'), ['head2']);
  });

  it('counts labels beyond the last class as the last', () => {
    const { network, weights, run } = judged(engines, settings.small);
    const { image, label } = exampleOf(settings.small.shape, 2);
    const tumours = label.map((value) => (value === 1 ? 2 : value));
    const o = { ...settings.small, order: 'coarse-to-fine' } as const;
    const found = shardGradient(engines.native, network, weights, image, tumours, o);
    assert.deepEqual(found.losses, run('native').losses);
  });
});

describe('a shard', function () {
  this.timeout(20_000);
  const engines = bothEngines();
  const network = buildNetwork({ baseWidth: 4, levels: 3, blocksPerStage: 2, expansionRate: 4, kernel: 5 });
  const o: ShardOptions = { shape: [2, 4, 20, 24], eta: [0.4, 0.8], order: 'coarse-to-fine' };
  const { image, label } = exampleOf(o.shape, 2);
  const run = (weights = trainedLike(network)) =>
    shardGradient(engines.native, network, weights, image, label, o);

  it('gives the same bytes for any number of threads, and every time', () => {
    const results = [1, 2, 3, 1].map((threads) => {
      engines.native.setThreads(threads);
      return run();
    });
    const [first, ...others] = results;
    assert.ok(first !== undefined);
    for (const other of others) {
      assert.ok(bytesOf(other.gradients).equals(bytesOf(first.gradients)));
      assert.ok(bytesOf(other.statistics).equals(bytesOf(first.statistics)));
      assert.deepEqual(other.losses, first.losses);
    }
  });

  it('leaves no tensor behind over twenty steps', () => {
    const { run: small } = judged(engines, settings['three levels, kernel 5, fine to coarse']);
    const before = engines.native.memory();
    for (let step = 0; step < 20; step++) small('native');
    assert.deepEqual(engines.native.memory(), before);
  });

  it('changes neither weights nor example', () => {
    const weights = trainedLike(network);
    const kept = [weights.parameters, weights.statistics, image, label].map((array) => array.slice());
    run(weights);
    assert.deepEqual([weights.parameters, weights.statistics, image, label], kept);
  });

  it('refuses what does not fit, and leaves no tensor behind', () => {
    const weights = initialWeights(network.config, 1);
    const lacking = {
      ...weights,
      byName: new Map([...weights.byName].filter(([name]) => name !== 'output.bias')),
    };
    const shard = (over: {
      shape?: ShardOptions['shape'];
      eta?: number[];
      image?: Float32Array;
      label?: Int32Array;
    }) =>
      shardGradient(engines.native, network, weights, over.image ?? image, over.label ?? label, {
        ...o,
        ...over,
      });
    const wrong: [RegExp, string, () => unknown][] = [
      [/lack output\.bias/, 'WEIGHTS_MISMATCH', () => run(lacking)],
      [
        /4x20x26 does not fit: every size must divide by 4/,
        'SHAPE_MISMATCH',
        () => shard({ shape: [2, 4, 20, 26] }),
      ],
      [/2 heads.*1 weights/, 'SHAPE_MISMATCH', () => shard({ eta: [0.4] })],
      [/2 heads.*3 weights/, 'SHAPE_MISMATCH', () => shard({ eta: [0.4, 0.8, 1] })],
      [/image has 7 voxels, not 3840/, 'SHAPE_MISMATCH', () => shard({ image: new Float32Array(7) })],
      [/label has 7 voxels, not 3840/, 'SHAPE_MISMATCH', () => shard({ label: new Int32Array(7) })],
      [
        /from a single value per channel/,
        'SHAPE_MISMATCH',
        () => {
          const [single, labels] = [new Float32Array(64), new Int32Array(64)];
          return shardGradient(engines.native, network, weights, single, labels, {
            ...o,
            shape: [1, 4, 4, 4],
          });
        },
      ],
    ];
    for (const [message, code, fails] of wrong) {
      const before = tf.memory().numTensors;
      assert.throws(fails, { name: 'Failure', code, message });
      assert.equal(tf.memory().numTensors, before, String(message));
    }
  });
});
