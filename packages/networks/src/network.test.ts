import assert from 'node:assert/strict';
import { describe as describeNetwork, type LayerDescription } from './describe.js';
import { buildNetwork, parseNetworkConfig } from './network.js';

const sumOf = (layers: readonly LayerDescription[], value: (layer: LayerDescription) => number) =>
  layers.reduce((sum, layer) => sum + value(layer), 0);

describe("LV-Net's table", () => {
  const table = describeNetwork(parseNetworkConfig({}));
  const parametersOf = (pattern: RegExp) =>
    sumOf(
      table.layers.filter(({ name }) => pattern.test(name)),
      ({ parameters }) => parameters,
    );

  it("has the paper's counts", () => {
    assert.equal(table.parameters, 1_659_282);
    assert.equal(table.gflops, 58.0685);
    assert.equal((table.macs / 1e9).toFixed(3), '54.188');
    assert.equal(table.storageMiB, 6.56);
    assert.equal(table.stateTensors, 736);
    assert.deepEqual([table.batchNorms, table.batchNormChannels], [117, 13_616]);
    assert.deepEqual(table.input, [16, 256, 256]);
  });

  it('has the parameters of each part', () => {
    const parts: [RegExp, number][] = [
      [/^stem\./, 1_016],
      [/^(enc|dec)0\./, 8 * 4_728],
      [/^(enc|dec)1\./, 8 * 10_336],
      [/^(enc|dec)2\./, 8 * 24_768],
      [/^(enc|dec)3\./, 8 * 65_920],
      [/^bottom\./, 4 * 197_376],
      [/^down/, 11_360],
      [/^up/, 11_120],
      [/^head/, 248],
      [/^output$/, 18],
    ];
    for (const [pattern, expected] of parts) assert.equal(parametersOf(pattern), expected, String(pattern));
    assert.equal(
      parts.reduce((sum, [, count]) => sum + count, 0),
      table.parameters,
    );
  });

  it("has the weights of the paper's block: C = 64, k = 5, epsilon = 4", () => {
    assert.equal(parametersOf(/^enc3\.0\.(expand|depthwise|project)$/), 64_768);
  });

  it('has the sizes of each level', () => {
    const outputs = Object.fromEntries(table.layers.map(({ name, output }) => [name, output.join('x')]));
    assert.equal(outputs['enc0.3.bn3'], '8x16x256x256');
    assert.equal(outputs['enc3.0.expand'], '256x2x32x32');
    assert.equal(outputs['bottom.0.project'], '128x1x16x16');
    assert.equal(outputs['up3.upsample'], '64x2x32x32');
    assert.equal(outputs['head1.upsample'], '2x16x256x256');
  });
});

describe('describing a network', () => {
  it('counts what can be counted by hand', () => {
    const config = parseNetworkConfig({
      baseWidth: 1,
      levels: 2,
      blocksPerStage: 1,
      expansionRate: 1,
      kernel: 3,
    });
    const { layers, macs } = describeNetwork(config, [2, 2, 2]);
    // stem 8 voxels * 27; enc0 and dec0 8 * (1 + 27 + 1) each; down 8 * 2; bottom, one voxel, 4 + 54 + 4;
    // up 2; head and output 8 * 2 each
    assert.equal(macs, 216 + 2 * 232 + 16 + 62 + 2 + 16 + 16);
    // one more per output where there is a bias: 3 * 8 in each full-size block, head, output; four per
    // normalised element: stem 8, full-size blocks 3 * 8 each, down 2, bottom 3 * 2, up 1; three per pooled one
    const biases = 2 * 24 + 2 * 16;
    assert.equal(
      sumOf(layers, ({ flops }) => flops),
      macs + biases + 4 * (8 + 48 + 2 + 6 + 1) + 3 * 2,
    );
  });

  it('agrees with the network that is built, whatever the options', () => {
    for (const options of [
      { expansionRate: 16, kernel: 7 },
      { levels: 2, blocksPerStage: 8, classes: 16 },
      { levels: 6, baseWidth: 3, blocksPerStage: 1, activation: 'relu' },
    ]) {
      const network = buildNetwork(options);
      const table = describeNetwork(network.config, [32, 32, 64]);
      assert.equal(table.parameters, network.gradientLength);
      assert.equal(table.stateTensors, network.state.length);
      assert.equal(2 * table.batchNormChannels, network.statisticsLength);
      assert.equal(
        sumOf(table.layers, ({ parameters }) => parameters),
        table.parameters,
      );
    }
  });

  it('refuses sizes that cannot be halved often enough', () => {
    const config = parseNetworkConfig({});
    for (const size of [8, 24, 0, -16, 16.5]) {
      assert.throws(() => describeNetwork(config, [16, 32, size]), {
        code: 'SHAPE_MISMATCH',
        message: /must divide by 16 \(2\^\(levels - 1\)\)/,
      });
    }
  });
});

describe('the state', () => {
  /** docs: "Names and layouts of the state", for the paper's network. */
  function documented(): Map<string, string> {
    const names = new Map<string, string>();
    const bn = (name: string, channels: number) => {
      for (const last of ['weight', 'bias', 'running_mean', 'running_var'])
        names.set(`${name}.${last}`, String(channels));
      names.set(`${name}.num_batches_tracked`, '');
    };
    const conv = (name: string, shape: number[], biased = false) => {
      names.set(`${name}.weight`, shape.join());
      if (biased) names.set(`${name}.bias`, String(shape[0]));
    };
    const stage = (name: string, c: number) => {
      for (const block of ['0', '1', '2', '3'].map((i) => `${name}.${i}`)) {
        conv(`${block}.expand`, [4 * c, c, 1, 1, 1], c === 8);
        bn(`${block}.bn1`, 4 * c);
        conv(`${block}.depthwise`, [4 * c, 1, 5, 5, 5], c === 8);
        bn(`${block}.bn2`, 4 * c);
        conv(`${block}.project`, [c, 4 * c, 1, 1, 1], c === 8);
        bn(`${block}.bn3`, c);
      }
    };
    conv('stem.conv', [8, 1, 5, 5, 5]);
    bn('stem.bn', 8);
    for (const [level, c, head] of [
      ['0', 8, 'head4'],
      ['1', 16, 'head3'],
      ['2', 32, 'head2'],
      ['3', 64, 'head1'],
    ] as const) {
      stage(`enc${level}`, c);
      conv(`down${level}.conv`, [2 * c, c, 1, 1, 1]);
      bn(`down${level}.bn`, 2 * c);
      conv(`up${level}.conv`, [c, 2 * c, 1, 1, 1]);
      bn(`up${level}.bn`, c);
      stage(`dec${level}`, c);
      conv(head, [2, c, 1, 1, 1], true);
    }
    stage('bottom', 128);
    conv('output', [2, 8, 1, 1, 1], true);
    return names;
  }

  it('has the documented names and shapes, and no others', () => {
    const found = new Map(buildNetwork({}).state.map(({ name, shape }) => [name, shape.join()]));
    assert.equal(found.size, 736);
    assert.deepEqual([...found].sort(), [...documented()].sort());
  });

  it('goes from stem to output in the order of the forward pass', () => {
    const names = buildNetwork({ levels: 3, blocksPerStage: 1 }).trained.map(
      ({ name }) => name.split('.')[0],
    );
    const order = names.filter((name, i) => name !== names[i - 1]);
    assert.deepEqual(order, [
      ...['stem', 'enc0', 'down0', 'enc1', 'down1', 'bottom', 'up1', 'dec1', 'up0', 'dec0'],
      ...['head1', 'head2', 'output'],
    ]);
  });

  it('names the heads from coarse to fine', () => {
    assert.deepEqual(buildNetwork({}).headNames, ['main', '1', '2', '3', '4']);
    assert.deepEqual(buildNetwork({ levels: 2 }).headNames, ['main', '1']);
  });
});

describe('options of a network', () => {
  it("defaults to the paper's", () => {
    assert.deepEqual(parseNetworkConfig({}), {
      name: 'lv-net',
      expansionRate: 4,
      kernel: 5,
      baseWidth: 8,
      levels: 5,
      blocksPerStage: 4,
      classes: 2,
      activation: 'elu',
    });
  });

  it('names the nearest option for an unknown one', () => {
    assert.throws(() => buildNetwork({ expansionrate: 3 }), {
      code: 'NETWORK_INVALID',
      message: /expansionrate is no option; did you mean expansionRate\?/,
      hint: /Options: name, expansionRate, kernel/,
    });
    assert.throws(() => buildNetwork({ bloks: 3, lvls: 2 }), {
      message: /bloks is no option.*lvls is no option; did you mean levels\?/s,
    });
  });

  it('refuses values outside their ranges', () => {
    const wrong: [string, unknown][] = [
      ['expansionRate', 0],
      ['expansionRate', 17],
      ['expansionRate', 1.5],
      ['kernel', 4],
      ['kernel', 9],
      ['levels', 1],
      ['levels', 7],
      ['blocksPerStage', 0],
      ['baseWidth', 0],
      ['classes', 1],
      ['activation', 'gelu'],
      ['name', 'w-net'],
    ];
    for (const [name, value] of wrong) {
      assert.throws(() => buildNetwork({ [name]: value }), {
        code: 'NETWORK_INVALID',
        message: new RegExp(name),
      });
    }
    assert.throws(() => buildNetwork(7), { code: 'NETWORK_INVALID' });
  });
});
