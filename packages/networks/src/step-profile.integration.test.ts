import assert from 'node:assert/strict';
import { initialAdam } from './adam.js';
import { describe as describeNetwork } from './describe.js';
import { bothEngines } from './engines.fixture.js';
import { buildNetwork } from './network.js';
import { bytesOf, exampleOf } from './networks.fixture.js';
import { shardGradient, type ShardOptions } from './shard-gradient.js';
import { profileStep, type StepPart, type StepProfile } from './step-profile.js';
import { initialWeights } from './weights.js';

const networks = [
  { config: { name: 'u-net', baseWidth: 2 }, size: [2, 16, 32] },
  { config: { name: 'ce-net', baseWidth: 4 }, size: [1, 192, 192] },
  { config: { name: '3d-u-net', baseWidth: 4, groups: 2 }, size: [4, 8, 8] },
  { config: { name: 'v-net', baseWidth: 2 }, size: [16, 16, 32] },
  { config: { name: 'lv-net', baseWidth: 2, levels: 3, kernel: 3 }, size: [8, 8, 8] },
] as const;

const sumOf = (parts: readonly StepPart[], value: (part: StepPart) => number) =>
  parts.reduce((sum, part) => sum + value(part), 0);
const durationOf = (parts: readonly StepPart[]) => sumOf(parts, ({ durationMs }) => durationMs);

describe('the profile of a training step', function () {
  this.timeout(60_000);
  const engines = bothEngines();

  const step = (
    config: (typeof networks)[number]['config'],
    size: readonly [number, number, number],
    kind: keyof typeof engines,
  ): StepProfile => {
    const network = buildNetwork(config);
    const shape = [1, ...size] as const;
    const { image, label } = exampleOf(shape, 2);
    const eta = network.headNames.slice(1).map(() => 0.5);
    const state = { weights: initialWeights(network.config, 1), adam: initialAdam(network) };
    return profileStep(engines[kind], network, state, image, label, { shape, eta, order: 'coarse-to-fine' });
  };

  for (const { config, size } of networks)
    for (const kind of ['native', 'reference'] as const) {
      it(`counts every multiply-add of ${config.name} once on ${kind}, and no time twice`, () => {
        const { parts, startMs, durationMs } = step(config, size, kind);
        const { macs, layers } = describeNetwork(buildNetwork(config).config, size);
        const done = (pass: StepPart['pass']) =>
          sumOf(
            parts.filter((part) => part.pass === pass),
            (part) => part.macs,
          );
        const [first] = layers;
        // The plan counts a pointwise convolution at the size before its pool, of which an eighth is computed;
        // V-Net's repeated channel is computed as a convolution of one tap.
        const pooled = sumOfMacs(layers, /^down\d+\.conv$/) * (config.name === 'lv-net' ? 7 / 8 : 0);
        const repeated = config.name === 'v-net' ? 2 * size[0] * size[1] * size[2] : 0;
        const expected = macs - pooled + repeated;
        assert.equal(done('forward'), expected);
        // Nobody asks for the gradient by the image, nor by the repeated channel of it.
        assert.equal(done('backward'), 2 * (expected - repeated) - (first?.macs ?? Number.NaN));
        let lastMs = startMs;
        for (const part of parts) {
          assert.ok(part.startMs >= lastMs && part.durationMs >= 0, part.operation);
          lastMs = part.startMs + part.durationMs;
        }
        assert.ok(lastMs <= startMs + durationMs);
      });
    }

  it('names passes, stages and inputs', () => {
    const { parts } = step(networks[4].config, networks[4].size, 'native');
    const of = (layer: string) => parts.filter((part) => part.layer === layer);
    const block = of('enc0.1');
    assert.deepEqual(
      block.map(({ operation, pass }) => [operation, pass]),
      [
        ['inverted residual', 'forward'],
        ['inverted residual', 'backward'],
      ],
    );
    const voxels = 512;
    assert.ok(
      (block[0]?.bytes ?? 0) > 2 * 4 * 2 * voxels,
      'a block reads x, writes y, and reads its weights',
    );
    assert.deepEqual(
      of('output').map(({ operation, pass, by }) => [operation, pass, ...by]),
      [
        ['conv3d', 'forward'],
        ['conv3d', 'backward', 'w', 'b'],
        ['conv3d', 'backward', 'x'],
      ],
    );
    assert.deepEqual(
      of('update').map(({ operation }) => operation),
      ['adam', 'running statistics'],
    );
    assert.ok(of('loss').length > 0);
    assert.ok(parts.every(({ layer, operation }) => layer !== '' && operation !== 'unknown'));
  });

  it('leaves less than a fifth of a step between its parts', () => {
    const { size } = { size: [16, 32, 32] as const };
    const shares = [1, 2, 3, 4, 5].map(() => {
      const { parts, durationMs } = step({ name: 'lv-net' } as never, size, 'native');
      return 1 - durationOf(parts) / durationMs;
    });
    assert.ok(Math.min(...shares) < 0.2, `between parts: ${shares.join(', ')}`); // other programs take time too
  });

  it('costs nothing when off and changes no bit when on', () => {
    const { config, size } = networks[4];
    const network = buildNetwork(config);
    const shape = [1, ...size] as const;
    const { image, label } = exampleOf(shape, 2);
    const o: ShardOptions = { shape, eta: [0.5, 0.5], order: 'coarse-to-fine' };
    const weights = initialWeights(network.config, 1);
    const now = performance.now.bind(performance);
    let looks = 0;
    performance.now = () => {
      looks++;
      return now();
    };
    try {
      const off = shardGradient(engines.native, network, weights, image, label, o);
      const without = looks;
      const state = { weights, adam: initialAdam(network) };
      const before = weights.parameters.slice();
      const { loss } = profileStep(engines.native, network, state, image, label, o);
      assert.equal(without, 3, 'a pass reads the clock at its start, between its halves and at its end');
      assert.ok(looks > 100);
      assert.equal(loss, off.losses[0]);
      assert.notDeepEqual(bytesOf(weights.parameters), bytesOf(before), 'weights were updated');
      const fresh = initialWeights(network.config, 1);
      const again = profileStep(
        engines.native,
        network,
        { weights: fresh, adam: initialAdam(network) },
        image,
        label,
        o,
      );
      assert.equal(again.loss, loss);
      assert.deepEqual(bytesOf(fresh.parameters), bytesOf(weights.parameters));
    } finally {
      performance.now = now;
    }
  });
});

const sumOfMacs = (layers: readonly { name: string; macs: number }[], wanted: RegExp): number =>
  layers.filter(({ name }) => wanted.test(name)).reduce((sum, { macs }) => sum + macs, 0);
