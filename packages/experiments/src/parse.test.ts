import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { base, failureOf, lvNetOf, problemsOf } from './experiments.fixture.js';
import { experimentJsonSchema, parseExperiment, type Experiment } from './index.js';

const defaults: Experiment = {
  name: 'experiment',
  seed: 0,
  data: {
    root: '/data/lits',
    split: { train: 90, validation: 10, test: 31 },
    blocks: 'all',
    windowHu: [-200, 200],
    patch: [16, 256, 256],
  },
  network: {
    name: 'lv-net',
    expansionRate: 4,
    kernel: 5,
    baseWidth: 8,
    levels: 5,
    blocksPerStage: 4,
    classes: 2,
    activation: 'elu',
  },
  loss: { eta: [0.2, 0.4, 0.6, 0.8], order: 'coarse-to-fine' },
  optimizer: { name: 'adam', learningRate: 0.001, decayPerEpoch: 0.9, weightDecay: 0.00001 },
  training: { batch: 4, shards: 4, epochs: 30, onBadSample: 'stop' },
  exchange: { wire: 'float32' },
  workers: { min: 1, max: 2, engine: 'auto' },
  checkpoint: { keep: 3, bytesPerSecond: 33_554_432 },
};

/** Every field at another value than its default. */
const everything = {
  name: 'Liver_2.1-b',
  seed: 7,
  labels: { who: 'me', why: 'to see' },
  priority: -3,
  data: {
    root: 'D:\\scans',
    split: { train: 0.5, validation: 0.25, test: 0.25 },
    blocks: 'liver',
    windowHu: [-100, 300.5],
    patch: [8, 64, 32],
  },
  network: {
    name: 'lv-net',
    expansionRate: 16,
    kernel: 7,
    baseWidth: 3,
    levels: 3,
    blocksPerStage: 2,
    classes: 3,
    activation: 'relu',
    weights: 'liver@best',
  },
  loss: { eta: [0, 1.5], order: 'fine-to-coarse' },
  optimizer: { name: 'adam', learningRate: 0.01, decayPerEpoch: 1, weightDecay: 0, clipNorm: 2 },
  training: { batch: 6, shards: 3, epochs: 2, onBadSample: 'stop', stop: { metric: 'dice', patience: 2 } },
  exchange: { wire: 'bf16' },
  workers: { min: 2, max: 3, engine: 'reference' },
  checkpoint: { everySteps: 5, keep: 9, bytesPerSecond: 1_000_000 },
};

describe('an experiment', () => {
  it("has the paper's settings by default", () => {
    assert.deepEqual(parseExperiment(base), defaults);
    const sections = ['network', 'loss', 'optimizer', 'training', 'exchange', 'workers', 'checkpoint'];
    assert.deepEqual(parseExperiment(base + sections.map((name) => `${name}: {}\n`).join('')), defaults);
  });

  it('takes every field', () => {
    assert.deepEqual(parseExperiment(JSON.stringify(everything)), everything);
  });

  it('takes the path of a split manifest', () => {
    const { data } = parseExperiment('data: { root: /x, split: splits/five.json }');
    assert.equal(data.split, 'splits/five.json');
  });

  it('has one shard per sample unless told otherwise', () => {
    assert.equal(parseExperiment(`${base}training: { batch: 6 }`).training.shards, 6);
    assert.equal(parseExperiment(`${base}training: { batch: 6, shards: 2 }`).training.shards, 2);
  });

  it('reads the examples that come with lvnet', () => {
    const text = readFileSync(new URL('../../../examples/liver.yaml', import.meta.url), 'utf8');
    const stop = { metric: 'dice', patience: 5 };
    const expected = {
      ...defaults,
      name: 'liver-baseline',
      seed: 7,
      training: { ...defaults.training, stop },
    };
    assert.deepEqual(parseExperiment(text), expected);
  });

  it('describes itself to editors', () => {
    const schema = experimentJsonSchema() as {
      properties: Record<
        string,
        { anyOf?: { properties: object }[]; properties?: Record<string, { description?: string }> }
      >;
      required: string[];
    };
    assert.deepEqual(Object.keys(schema.properties), Object.keys(everything));
    const networks =
      schema.properties['network']?.anyOf?.map(({ properties }) => Object.keys(properties)) ?? [];
    assert.deepEqual(networks[0], Object.keys(everything.network));
    assert.deepEqual(networks[2], ['name', 'baseWidth', 'context', 'classes', 'weights']);
    assert.deepEqual(schema.required, ['data']);
    const loss = schema.properties['loss']?.properties ?? {};
    assert.match(loss['eta']?.description ?? '', /Zeros switch heads off\.$/);
    const shipped = new URL('../../../examples/experiment.schema.json', import.meta.url);
    assert.deepEqual(JSON.parse(readFileSync(shipped, 'utf8')), schema, 'run: npm run schema');
  });
});

describe('the text of an experiment', () => {
  const unreadable: Record<string, [string, RegExp]> = {
    'a syntax error': [`${base}seed: [1`, /cannot be read as YAML: .* at line \d/],
    'a key twice': [`${base}seed: 1\nseed: 2\n`, /unique at line 3/],
    'two documents': [`${base}---\nseed: 1\n`, /multiple documents/],
    'a list': ['- 1', /not a mapping/],
    nothing: ['', /not a mapping/],
    'an alias without anchor': [`${base}seed: *there\n`, /alias .*there/],
    'an alias within itself': [`${base}labels: &a { b: *a }\n`, /circular/],
    'an unknown tag': [`${base}name: !secret x\n`, /tag: !secret/],
    'brackets a thousand deep': [`${base}seed: ${'['.repeat(20_000)}`, /more than 100 levels deep/],
    'lists in lists on one line': [`${base}seed:\n${'- '.repeat(20_000)}`, /more than 100 levels deep/],
    'aliases that grow without bounds': [
      `${base}labels:\n  a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g']
        .map(
          (name, i) =>
            `  ${name}: &${name} [${Array(9)
              .fill(`*${'abcdef'[i] ?? ''}`)
              .join()}]\n`,
        )
        .join('')}`,
      /alias count/,
    ],
  };
  for (const [what, [text, message]] of Object.entries(unreadable)) {
    it(`is refused with ${what}`, () => {
      const failure = failureOf(text);
      assert.equal(failure.code, 'EXPERIMENT_INVALID');
      assert.match(failure.message, /^liver\.yaml cannot be read as YAML: /);
      assert.match(failure.message, message);
      assert.match(failure.hint, /README/);
    });
  }

  it('may use anchors and be JSON', () => {
    assert.equal(parseExperiment(`${base}labels: { a: &who me, b: *who }`).labels?.['b'], 'me');
    assert.deepEqual(parseExperiment('{"data":{"root":"/data/lits"}}'), defaults);
  });
});

describe('changes on the command line', () => {
  const set = (...changes: string[]) => parseExperiment(base, { set: changes });

  it('set one field each, in order', () => {
    const { network, loss, data, labels } = set(
      ...['network.expansionRate=6', 'network.expansionRate=2', 'loss.eta=[0, 0, 0, 0]'],
      ...['data.split={ train: 3, validation: 1, test: 1 }', 'labels.why=a=b', 'data.blocks=liver'],
    );
    assert.equal(lvNetOf({ network }).expansionRate, 2);
    assert.deepEqual(loss.eta, [0, 0, 0, 0]);
    assert.deepEqual([data.split, data.blocks], [{ train: 3, validation: 1, test: 1 }, 'liver']);
    assert.deepEqual(labels, { why: 'a=b' });
  });

  it('reach items of lists', () => {
    const text = `${base}loss: { eta: [0.1, 0.2, 0.3, 0.4] }`;
    assert.deepEqual(parseExperiment(text, { set: ['loss.eta.1=0.9'] }).loss.eta, [0.1, 0.9, 0.3, 0.4]);
    for (const position of ['4', '-1', 'last', '01x']) {
      const failure = failureOf(text, [`loss.eta.${position}=1`]);
      assert.deepEqual([failure.code, failure.details['path']], ['ARGUMENT_INVALID', 'loss.eta']);
    }
  });

  it('are judged as the file is', () => {
    assert.deepEqual(problemsOf(failureOf(base, ['network.levls=3']))[0]?.nearest, 'levels');
    assert.equal(problemsOf(failureOf(base, ['training.epochs=']))[0]?.path, 'training.epochs');
    assert.equal(problemsOf(failureOf(base, ['seed.x=1']))[0]?.path, 'seed');
    assert.equal(problemsOf(failureOf(base, ['__proto__.seed=4']))[0]?.path, '__proto__');
    assert.equal(({} as Record<string, unknown>)['seed'], undefined);
  });

  it('are refused when they are none', () => {
    for (const change of ['network.levels', '=3', '']) {
      assert.deepEqual(
        [failureOf(base, [change]).code, failureOf(base, [change]).details['set']],
        ['ARGUMENT_INVALID', change],
      );
    }
    for (const change of ['training.epochs={a', 'training.epochs=[1', 'training.epochs=*x']) {
      assert.match(failureOf(base, [change]).message, /the value cannot be read \(/);
    }
  });
});
