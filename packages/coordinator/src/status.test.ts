import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseExperiment, putDocument, runKeys } from '@lvnet/experiments';
import type { RunProgress } from '@lvnet/queue';
import { openStore, type Store } from '@lvnet/store';
import { readStatus } from './status.js';
import { submitRun } from './submit.js';

const split = { train: [{ case: '1', contentSha256: 'c1' }], validation: [], test: [] };
const progress: RunProgress = {
  ...{ step: 5, epoch: 2, stepsTotal: 6, digest: 'd5', losses: { total: 1 }, members: [], life: 1 },
  ...{ samplesPerSecond: 1, stepSeconds: 1, checkpoint: null, at: '2026-01-01T00:00:00.000Z' },
};
/** Control Redis, as far as a status asks it. */
const knowing = (known: RunProgress | undefined) => ({ progress: () => Promise.resolve(known) });

describe('the status of a run', () => {
  let folder: string;
  let store: Store;
  let run: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'status-'));
    store = await openStore(pathToFileURL(folder).href);
    const context = {
      ...{ store, registry: undefined, now: () => 0 },
      engine: { kind: 'native', fingerprint: 'f'.repeat(64) } as const,
      findWeights: () => Promise.reject(new Error('none are asked for')),
    };
    const { document } = await submitRun(context, parseExperiment('data: { root: /nowhere }\n'), { split });
    run = document.run;
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it('is that of the last progress while the run trains', async () => {
    const { step, epoch, digest } = await readStatus(store, knowing(progress), run);
    assert.deepEqual({ step, epoch, digest }, { step: 5, epoch: 2, digest: 'd5' });
  });

  it('is where the run ended, whatever the last progress says, and without any', async () => {
    const ended = { run, step: 6, epoch: 3, digest: 'd6', reason: 'epochs' };
    await putDocument(store, runKeys.finished(run), ended);
    for (const known of [progress, undefined]) {
      const { step, epoch, digest } = await readStatus(store, knowing(known), run);
      assert.deepEqual({ step, epoch, digest }, { step: 6, epoch: 3, digest: 'd6' });
    }
  });
});
