import assert from 'node:assert/strict';
import { describe as describeNetwork } from '@lvnet/networks';
import { configureNetwork, configureTraining } from './configure.js';
import { networkLines, stagesOf } from './network-table.js';

describe('the table of a network', () => {
  const paper = describeNetwork(configureNetwork('lv-net', []));

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
      const lines = networkLines(paper, everyLayer);
      assert.ok(lines.some((line) => line.includes('1,659,282')));
      assert.ok(lines.slice(0, -1).every((line) => line.length <= 80));
    }
    assert.equal(
      networkLines(paper, true).length - networkLines(paper, false).length,
      paper.layers.length - stagesOf(paper.layers).length,
    );
  });
});

describe('--set', () => {
  it('changes the network, with or without its section in front', () => {
    assert.equal(configureNetwork('lv-net', ['expansionRate=6']).expansionRate, 6);
    assert.equal(configureNetwork('lv-net', ['network.expansionRate=6']).expansionRate, 6);
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
