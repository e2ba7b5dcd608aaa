import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseExperiment, parseSweep } from '@lvnet/experiments';
import { openStore, type Store } from '@lvnet/store';
import { submitRun, submitSweep, type SubmitContext } from './submit.js';

const experiment = 'data: { root: /nowhere }\nnetwork: { weights: liver@best }\n';
const split = { train: [{ case: '1', contentSha256: 'c1' }], validation: [], test: [] };

describe('submitting with given weights', () => {
  let folder: string;
  let store: Store;
  let found: string[];
  let written: string[];
  let context: SubmitContext;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'submit-'));
    store = await openStore(pathToFileURL(folder).href);
    [found, written] = [[], []];
    context = {
      ...{ store, registry: undefined, now: () => 0 },
      engine: { kind: 'native', fingerprint: 'f'.repeat(64) },
      findWeights: ({ network }) => {
        found.push(network.weights ?? '');
        const sha256 = String(found.length).repeat(64);
        const write = ({ run }: { run: string }) => Promise.resolve(void written.push(run));
        return Promise.resolve({ sha256, from: 'abc@200', write });
      },
    };
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it('writes them for a new run alone', async () => {
    const first = await submitRun(context, parseExperiment(experiment), { split });
    assert.deepEqual(written, [first.document.run]);
    assert.deepEqual(first.document.weights, { sha256: '1'.repeat(64), from: 'abc@200' });
    found = []; // the same weights once more
    const second = await submitRun(context, parseExperiment(experiment), { split });
    assert.deepEqual([second.created, second.document.run], [false, first.document.run]);
    assert.equal(written.length, 1);
    await submitRun(context, parseExperiment(experiment), { split, dryRun: true });
    assert.equal(written.length, 1);
  });

  it('other weights are another run', async () => {
    const first = await submitRun(context, parseExperiment(experiment), { split });
    const second = await submitRun(context, parseExperiment(experiment), { split });
    assert.notEqual(second.document.run, first.document.run);
  });

  it('finds them once for the trials of a sweep that share a network', async () => {
    const text = `${experiment}optimizer: { learningRate: { choice: [0.1, 0.01, 0.001] } }\nsearch: { algorithm: grid }\n`;
    const { document } = await submitSweep(context, parseSweep(text), { split });
    assert.deepEqual(found, ['liver@best']);
    assert.deepEqual(
      written,
      document.trials.map(({ run }) => run),
    );
    assert.equal(new Set(written).size, 3);
  });

  it('is refused where nobody can find them', async () => {
    const { findWeights: _findWeights, ...without } = context;
    await assert.rejects(submitRun(without, parseExperiment(experiment), { split }), {
      code: 'EXPERIMENT_INVALID',
      message: /network\.weights \(liver@best\): given weights are not accepted here/,
    });
  });
});
