import assert from 'node:assert/strict';
import { identityOf, indecisiveFields } from './identity.js';
import { parseExperiment, runIdOf } from './index.js';

const text =
  'name: a\ndata: { root: /x, split: { train: 3, validation: 1, test: 1 } }\ntraining: { stop: {} }\n';
const cases = { train: ['c1', 'c2'], validation: ['c3'], test: [] };
const identity = (o: { set?: string[]; cases?: unknown; engine?: string; numerics?: number } = {}) =>
  identityOf(
    parseExperiment(text, { set: o.set ?? [] }),
    o.cases ?? cases,
    o.engine ?? 'f1',
    o.numerics ?? 1,
  );

describe("a run's identity", () => {
  const plain = identity();

  const same: Record<string, string[]> = {
    name: ['name=b'],
    labels: ['labels.who=me'],
    priority: ['priority=5'],
    'data.root': ['data.root=/elsewhere'],
    'data.split': ['data.split={ train: 0.6, validation: 0.2, test: 0.2 }'],
    workers: ['workers.min=2', 'workers.max=3', 'workers.engine=reference'],
    checkpoint: ['checkpoint.everySteps=7', 'checkpoint.keep=1', 'checkpoint.bytesPerSecond=1000'],
  };
  for (const [field, set] of Object.entries(same)) {
    it(`does not depend on ${field}`, () => {
      assert.equal(identity({ set }), plain);
    });
  }

  it('knows all of these fields', () => {
    assert.deepEqual([...indecisiveFields].sort(), Object.keys(same).sort());
  });

  it('does not depend on whether a default was written down, or in which order', () => {
    const set = ['training.shards=4', 'network.kernel=5', 'exchange.wire=float32', 'seed=0'];
    assert.equal(identity({ set }), plain);
    assert.equal(identity({ set: set.reverse() }), plain);
    assert.equal(identity({ cases: { test: [], validation: ['c3'], train: ['c1', 'c2'] } }), plain);
  });

  const others: string[][] = [
    ['seed=1'],
    ['data.blocks=liver'],
    ['data.windowHu=[-200, 201]'],
    ['data.patch=[16, 128, 256]'],
    ['network.expansionRate=5'],
    ['network.kernel=3'],
    ['network.baseWidth=9'],
    ['network.levels=4', 'loss.eta=[0.2, 0.4, 0.6]'],
    ['network.blocksPerStage=3'],
    ['network.classes=3'],
    ['network.activation=relu'],
    ['loss.eta=[0.2, 0.4, 0.6, 0.7]'],
    ['loss.order=fine-to-coarse'],
    ['optimizer.learningRate=0.002'],
    ['optimizer.decayPerEpoch=1'],
    ['optimizer.weightDecay=0'],
    ['optimizer.clipNorm=1'],
    ['training.batch=8', 'training.shards=4'],
    ['training.shards=2'],
    ['training.epochs=31'],
    ['training.stop.patience=6'],
    ['exchange.wire=bf16'],
  ];
  for (const set of others) {
    it(`depends on ${set.join(', ')}`, () => {
      assert.notEqual(identity({ set }), plain);
    });
  }

  it('tells all of these apart', () => {
    const all = [plain, ...others.map((set) => identity({ set }))];
    assert.equal(new Set(all).size, all.length);
  });

  it('depends on cases and their order, on the engine and on the numerics', () => {
    const different = [
      identity({ cases: { ...cases, train: ['c2', 'c1'] } }),
      identity({ cases: { ...cases, train: ['c1'] } }),
      identity({ cases: { train: ['c1'], validation: ['c2', 'c3'], test: [] } }),
      identity({ engine: 'f2' }),
      identity({ numerics: 2 }),
      plain,
    ];
    assert.equal(new Set(different).size, different.length);
  });

  it('is a SHA-256, its start the id', () => {
    assert.match(plain, /^[0-9a-f]{64}$/);
    assert.equal(runIdOf(plain), plain.slice(0, 12));
  });
});
