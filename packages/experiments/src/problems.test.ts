import assert from 'node:assert/strict';
import { base, failureOf, problemsOf } from './experiments.fixture.js';
import { parseExperiment, preflight } from './index.js';

describe('what is wrong with an experiment', () => {
  const unknown: [string, string, string | null][] = [
    ['sed: 1', 'sed', 'seed'],
    ['netwrok: {}', 'netwrok', 'network'],
    ['zzzzzzzzzzzz: 1', 'zzzzzzzzzzzz', null],
    ['network: { expansionrate: 3 }', 'network.expansionrate', 'expansionRate'],
    ['network: { name: u-net, basewidth: 3 }', 'network.basewidth', 'baseWidth'],
    ['network: { name: ce-net, contxt: repeat }', 'network.contxt', 'context'],
    ['loss: { etas: [1] }', 'loss.etas', 'eta'],
    ['optimizer: { learnRate: 1 }', 'optimizer.learnRate', 'learningRate'],
    ['training: { epoch: 1 }', 'training.epoch', 'epochs'],
    ['training: { stop: { patiense: 1 } }', 'training.stop.patiense', 'patience'],
    ['exchange: { wires: bf16 }', 'exchange.wires', 'wire'],
    ['workers: { maximum: 2 }', 'workers.maximum', 'max'],
    ['checkpoint: { everyStep: 2 }', 'checkpoint.everyStep', 'everySteps'],
  ];
  for (const [text, path, nearest] of unknown) {
    it(`names the nearest field for ${path}`, () => {
      const failure = failureOf(base + text);
      assert.equal(failure.code, 'EXPERIMENT_INVALID');
      const found = problemsOf(failure);
      assert.deepEqual(
        found.map((problem) => [problem.path, problem.nearest]),
        [[path, nearest]],
      );
      assert.match(failure.message, /^liver\.yaml is not valid: /);
      assert.ok(
        failure.message.includes(nearest === null ? 'known here: name, seed' : `did you mean ${nearest}?`),
      );
    });
  }

  it('looks into the alternative that is meant', () => {
    const problems = problemsOf(failureOf('data: { root: /x, split: { train: 1, validaton: 0, test: -1 } }'));
    const found = problems.map(({ path, value, nearest }) => [path, value, nearest]);
    assert.deepEqual(found, [
      ['data.split.validation', undefined, null],
      ['data.split.test', -1, null],
      ['data.split.validaton', 0, 'validation'],
    ]);
    assert.match(failureOf('data: { root: /x, split: 5 }').message, /data\.split \(5\): .* object or string/);
  });

  const wrong: [string, string][] = [
    ['data: {}', 'data.root'],
    ["data: { root: '' }", 'data.root'],
    ['data: { root: /x, patch: [16, 256] }', 'data.patch'],
    ['data: { root: /x, patch: [16, 256, 0] }', 'data.patch.2'],
    ['data: { root: /x, windowHu: [0, high] }', 'data.windowHu.1'],
    ['data: { root: /x, blocks: some }', 'data.blocks'],
    [`${base}name: no/slashes`, 'name'],
    [`${base}name: ${'a'.repeat(65)}`, 'name'],
    [`${base}seed: -1`, 'seed'],
    [`${base}seed: 1.5`, 'seed'],
    [`${base}labels: { a: 1 }`, 'labels.a'],
    [`${base}network:`, 'network'],
    [`${base}network: { kernel: 4 }`, 'network.kernel'],
    [`${base}network: { expansionRate: 17 }`, 'network.expansionRate'],
    [`${base}network: { name: w-net }`, 'network.name'],
    [`${base}network: { name: 7 }`, 'network.name'],
    [`${base}network: { name: ce-net, context: some }`, 'network.context'],
    [`${base}network: { name: v-net, baseWidth: 0 }`, 'network.baseWidth'],
    [`${base}loss: { eta: [0.1, -1, 0, 0] }`, 'loss.eta.1'],
    [`${base}optimizer: { learningRate: 0 }`, 'optimizer.learningRate'],
    [`${base}optimizer: { learningRate: .inf }`, 'optimizer.learningRate'],
    [`${base}optimizer: { learningRate: .nan }`, 'optimizer.learningRate'],
    [`${base}optimizer: { decayPerEpoch: 1.1 }`, 'optimizer.decayPerEpoch'],
    [`${base}optimizer: { clipNorm: 0 }`, 'optimizer.clipNorm'],
    [`${base}training: { epochs: '30' }`, 'training.epochs'],
    [`${base}training: { onBadSample: ignore }`, 'training.onBadSample'],
    [`${base}exchange: { wire: float16 }`, 'exchange.wire'],
    [`${base}workers: { engine: cuda }`, 'workers.engine'],
    [`${base}checkpoint: { keep: 0 }`, 'checkpoint.keep'],
  ];
  for (const [text, path] of wrong) {
    it(`names ${path} in ${text.replace(base, '').slice(0, 60)}`, () => {
      const failure = failureOf(text);
      assert.equal(failure.code, 'EXPERIMENT_INVALID');
      assert.deepEqual(
        problemsOf(failure).map((problem) => problem.path),
        [path],
      );
      assert.ok(failure.message.includes(`${path} (`), failure.message);
    });
  }

  it('names everything at once, with the values', () => {
    const failure = failureOf(`${base}seed: -1\nnetwork: { kernel: 4, levls: 3 }\n`);
    const found = problemsOf(failure).map(({ path, value }) => [path, value]);
    assert.deepEqual(
      new Map(found as [string, unknown][]),
      new Map<string, unknown>([
        ['seed', -1],
        ['network.kernel', 4],
        ['network.levls', 3],
      ]),
    );
    assert.equal(failure.details['file'], 'liver.yaml');
  });
});

describe('contradictions in an experiment', () => {
  const cases: [string, string, RegExp][] = [
    ['network: { levels: 4 }', 'loss.eta', /needs 3 weights.*network\.levels is 4/],
    ['loss: { eta: [1] }', 'loss.eta', /needs 4 weights.*; zeros switch heads off/],
    ['network: { levels: 6 }\nloss: { eta: [1, 1, 1, 1, 1] }', 'data.patch', /divide by 32/],
    ['network: { name: v-net }\nloss: { eta: [0.5] }', 'loss.eta', /left out: v-net has no deep supervision/],
    [
      'network: { name: 3d-u-net, baseWidth: 16 }',
      'network',
      /baseWidth \(16\) must divide by groups \(32\)/,
    ],
    ['training: { batch: 4, shards: 3 }', 'training.shards', /must divide training\.batch, which is 4/],
    ['workers: { min: 3, max: 2 }', 'workers.min', /more than workers\.max, which is 2/],
    ['workers: { min: 5, max: 5 }', 'workers.min', /no more than training\.shards \(4\)/],
  ];
  for (const [text, path, message] of cases) {
    it(`${path} in ${text.replace('\n', ', ')}`, () => {
      const failure = failureOf(base + text);
      assert.equal(failure.code, 'EXPERIMENT_CONTRADICTORY');
      assert.deepEqual(
        problemsOf(failure).map((problem) => problem.path),
        [path],
      );
      assert.match(failure.message, message);
    });
  }

  const ofData: [string, string][] = [
    ['windowHu: [200, -200]', 'data.windowHu'],
    ['windowHu: [5, 5]', 'data.windowHu'],
    ['patch: [16, 250, 256]', 'data.patch'],
    ['split: { train: 0, validation: 1, test: 1 }', 'data.split.train'],
  ];
  for (const [text, path] of ofData) {
    it(`${path} in ${text}`, () => {
      const [found, ...others] = problemsOf(failureOf(`data: { root: /x, ${text} }`));
      assert.deepEqual([found?.path, others], [path, []]);
    });
  }

  const ofNetwork: [string, string, RegExp][] = [
    ['u-net', '[1, 512, 500]', /rows and columns must divide by 16/],
    ['ce-net', '[2, 128, 192]', /192 or more/],
    ['ce-net, context: neighbours', '[2, 192, 192]', /three slices or more/],
    ['v-net', '[8, 64, 64]', /every size must divide by 16/],
  ];
  for (const [name, patch, message] of ofNetwork) {
    it(`data.patch ${patch} of ${name}`, () => {
      const failure = failureOf(`data: { root: /x, patch: ${patch} }\nnetwork: { name: ${name} }`);
      assert.deepEqual(
        problemsOf(failure).map((problem) => problem.path),
        ['data.patch'],
      );
      assert.match(failure.message, message);
    });
  }

  const single = /from a single value per channel; use larger sizes.* or fewer training\.shards/;
  const alone: [string, string, string, RegExp][] = [
    ['lv-net', '[16, 16, 16]', '{ batch: 2, shards: 2 }', /down3\.bn .*, fewer network\.levels or/],
    ['lv-net', '[16, 16, 16]', '{ batch: 4 }', single],
    ['v-net', '[16, 16, 16]', '{ batch: 2, shards: 2 }', single],
    ['u-net', '[1, 16, 16]', '{ batch: 1 }', /down4\.bn1 .*; use larger sizes or a larger training\.batch/],
  ];
  for (const [name, patch, training, message] of alone) {
    it(`data.patch ${patch} of ${name} with shards of one sample, training ${training}`, () => {
      const failure = failureOf(
        `data: { root: /x, patch: ${patch} }\nnetwork: { name: ${name} }\ntraining: ${training}`,
      );
      const paths = problemsOf(failure).map((problem) => problem.path);
      assert.deepEqual([failure.code, paths], ['EXPERIMENT_CONTRADICTORY', ['data.patch']]);
      assert.match(failure.message, message);
    });
  }

  it('none where every batch norm sees two values, or there is none', () => {
    for (const [network, patch, training] of [
      ['name: lv-net', '[16, 16, 16]', 'batch: 2, shards: 1'],
      ['name: lv-net', '[16, 16, 16]', 'batch: 8, shards: 4'],
      ['name: lv-net', '[16, 16, 32]', 'batch: 2, shards: 2'],
      ['name: v-net', '[16, 16, 16]', 'batch: 4, shards: 2'],
      ['name: u-net', '[2, 16, 16]', 'batch: 1'],
      ['name: 3d-u-net', '[1, 1, 1]', 'batch: 1'],
    ]) {
      const text = `data: { root: /x, patch: ${String(patch)} }\nnetwork: { ${String(network)} }\ntraining: { ${String(training)} }`;
      assert.equal(parseExperiment(text).data.root, '/x');
    }
    const shallow = `data: { root: /x, patch: [16, 16, 16] }\nnetwork: { levels: 4 }\nloss: { eta: [1, 1, 1] }`;
    assert.equal(parseExperiment(shallow).training.shards, 4);
  });

  it('none where each network gets what it takes', () => {
    for (const [name, patch] of [
      ['u-net', '[1, 512, 512]'],
      ['ce-net', '[16, 192, 224]'],
      ['3d-u-net', '[3, 5, 7]'],
      ['v-net', '[16, 16, 32]'],
    ]) {
      const text = `data: { root: /x, patch: ${String(patch)} }\nnetwork: { name: ${String(name)} }`;
      assert.deepEqual(parseExperiment(text).loss.eta, []);
    }
  });

  it('names the nearest network for one that there is not', () => {
    const [problem] = problemsOf(failureOf(`${base}network: { name: unet }`));
    assert.deepEqual([problem?.path, problem?.value, problem?.nearest], ['network.name', 'unet', 'u-net']);
  });

  it('early stop without validation cases', () => {
    const text = 'data: { root: /x, split: { train: 1, validation: 0, test: 0 } }\ntraining: { stop: {} }';
    assert.equal(problemsOf(failureOf(text))[0]?.path, 'training.stop');
  });

  it('warns of what is allowed and useless', () => {
    const warnings = (text: string) => preflight(parseExperiment(base + text)).warnings;
    assert.deepEqual(warnings(''), []);
    assert.match(warnings('workers: { max: 9 }').join(), /at most 4 workers/);
    assert.match(warnings('training: { shards: 1 }').join(), /at most 1 worker \(training\.shards\)/);
    assert.match(warnings('training: { epochs: 100 }').join(), /thousandth of its start within 100 epochs/);
    const small = parseExperiment(
      'data: { root: /x, patch: [16, 8, 8] }\nnetwork: { levels: 2 }\nloss: { eta: [1] }',
    );
    assert.match(preflight(small).warnings.join(), /very few voxels/);
  });
});
