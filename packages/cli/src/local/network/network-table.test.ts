import assert from 'node:assert/strict';
import {
  countTable1,
  describe as describeNetwork,
  networkNames,
  paperTable1,
  paperTable3,
} from '@lvnet/networks';
import { configureNetwork, configureTraining } from './configure.js';
import { memoryFacts } from './memory-facts.js';
import { networkLines, overviewLines, stagesOf } from './network-table.js';

describe('the table of a network', () => {
  const paper = describeNetwork(configureNetwork('lv-net', []));

  const memory = memoryFacts(paper, 11e9);
  const linesOf = (everyLayer: boolean) => networkLines(paper, memory, 11e9, everyLayer);

  it('holds the whole network once', () => {
    const stages = stagesOf(paper.layers);
    const sum = (value: (row: (typeof stages)[number]) => number) =>
      stages.reduce((total, row) => total + value(row), 0);
    assert.equal(
      sum((row) => row.parameters),
      1_659_282,
    );
    assert.equal((sum((row) => row.flops) / 1e9).toFixed(2), '58.07');
    assert.deepEqual(stages.find((row) => row.name === 'bottom')?.output, [128, 1, 16, 16]);
  });

  it('is no wider than a terminal, every layer or not', () => {
    for (const everyLayer of [false, true]) {
      const lines = linesOf(everyLayer);
      assert.ok(lines.some((line) => line.includes('1,659,282')));
      assert.ok(lines.every((line) => line.length <= 80));
    }
    assert.equal(
      linesOf(true).length - linesOf(false).length,
      paper.layers.length - stagesOf(paper.layers).length,
    );
  });
});

describe("the paper's tables", () => {
  it('are counted to the digit they are printed with', () => {
    for (const name of networkNames) {
      const found = describeNetwork(configureNetwork(name, []));
      const { parameters, gflops, storageMb } = paperTable3[name];
      assert.equal(found.parameters, parameters);
      assert.equal(found.gflops.toFixed(2), gflops.toFixed(2));
      // The sizes of PyTorch's files follow from the tensors to about 185 bytes each.
      assert.ok(Math.abs(found.storageMiB - storageMb) <= 0.001 * storageMb, name);
    }
    const { block, vanilla } = countTable1({ channels: 64, kernel: 5, expansionRate: 4 });
    assert.deepEqual([block, vanilla], [paperTable1.block, paperTable1.vanilla]);
  });

  it('fit a terminal', () => {
    const all = networkNames.map((name) => ({
      ...describeNetwork(configureNetwork(name, [])),
      paper: paperTable3[name],
    }));
    const { block: paperBlock, vanilla: paperVanilla, ...sizes } = paperTable1;
    const lines = overviewLines(all, { ...paperTable1, ...sizes, paperBlock, paperVanilla });
    assert.ok(
      lines.every((line) => line.length <= 80),
      lines.join('\n'),
    );
    assert.ok(lines.some((line) => /v-net .*65,173,903 .*65,173,903 .*516\.12 .*516\.12/.test(line)));
  });
});

describe('--set', () => {
  it('changes the network, with or without its section in front', () => {
    for (const change of ['expansionRate=6', 'network.expansionRate=6']) {
      const config = configureNetwork('lv-net', [change]);
      assert.equal('expansionRate' in config && config.expansionRate, 6);
    }
  });

  it('changes the loss of a trace, whose weights must fit the levels', () => {
    const set = ['levels=3', 'loss.eta=[0.5, 1]', 'loss.order=fine-to-coarse'];
    assert.deepEqual(configureTraining('lv-net', set).loss, { eta: [0.5, 1], order: 'fine-to-coarse' });
    assert.throws(() => configureTraining('lv-net', ['levels=3']), {
      code: 'EXPERIMENT_CONTRADICTORY',
      message: /What was --set contradicts itself: loss\.eta .* needs 2 weights/,
    });
  });

  it('names the nearest option', () => {
    assert.throws(() => configureNetwork('lv-net', ['expansonRate=6']), /did you mean expansionRate/);
    assert.throws(() => configureTraining('lv-net', ['expansonRate=6']), /did you mean expansionRate/);
    assert.throws(() => configureNetwork('lvnet', []), {
      code: 'NETWORK_INVALID',
      hint: 'Did you mean lv-net?',
    });
    assert.throws(() => configureNetwork('lv-net', ['kernel=[3']), { code: 'ARGUMENT_INVALID' });
  });
});
