import assert from 'node:assert/strict';
import { buildNetwork, initialWeights, type Network } from '@lvnet/networks';
import type { NamedTensor } from '@lvnet/safetensors';
import { givenWeights } from './given-weights.js';
import { namedWeights } from './state.js';
import { tinyNetwork } from './tiny-run.fixture.js';

const network = buildNetwork(tinyNetwork);
const tensorsOf = (of: Network): NamedTensor[] => namedWeights(of, initialWeights(of.config, 1));

describe('given weights', () => {
  it('are taken as they are', () => {
    const weights = initialWeights(network.config, 1);
    assert.deepEqual(givenWeights(network, namedWeights(network, weights), 'w'), weights);
  });

  const lacks = 'which this lv-net has not';
  const others: [string, Record<string, unknown>, Record<string, unknown>, string][] = [
    [
      'another network',
      tinyNetwork,
      { name: 'u-net', baseWidth: 2 },
      `w holds inc.conv1.weight, ${lacks} and lacks stem.conv.weight.`,
    ],
    [
      'a deeper network',
      tinyNetwork,
      { ...tinyNetwork, levels: 3 },
      `w holds enc1.0.expand.weight, ${lacks}.`,
    ],
    [
      'a wider network',
      tinyNetwork,
      { ...tinyNetwork, baseWidth: 7 },
      'stem.conv.weight has shape [7, 1, 3, 3, 3]; the network needs [2, 1, 3, 3, 3].',
    ],
    [
      'a network with fewer blocks',
      { ...tinyNetwork, blocksPerStage: 2 },
      tinyNetwork,
      'enc0.1.expand.weight is missing; the network needs [4, 2, 1, 1, 1].',
    ],
  ];
  for (const [what, wanted, given, message] of others) {
    it(`of ${what} are refused with the first name that differs`, () => {
      assert.throws(() => givenWeights(buildNetwork(wanted), tensorsOf(buildNetwork(given)), 'w'), {
        code: 'WEIGHTS_MISMATCH',
        message,
      });
    });
  }

  it('are refused with the place of the first value that is no number', () => {
    for (const [value, kind] of [
      [Number.NaN, 'gamma'],
      [Number.POSITIVE_INFINITY, 'runningVariance'],
    ] as const) {
      const { name } = network.state.find((spec) => spec.kind === kind) ?? assert.fail(kind);
      const tensors = tensorsOf(network).map((tensor) => {
        if (tensor.name !== name) return tensor;
        return {
          ...tensor,
          data: Float32Array.from(tensor.data as Float32Array, (v, i) => (i === 1 ? value : v)),
        };
      });
      assert.throws(() => givenWeights(network, tensors, 'w'), {
        code: 'WEIGHTS_INVALID',
        message: `w is of no use: ${name} holds ${String(value)} at position 1.`,
      });
    }
  });
});
