import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkpointSteps, readSteps, type StepRecord } from '@lvnet/checkpoints';
import { openStore, type Store } from '@lvnet/store';
import { createStepLog } from './step-log.js';
import { openStoreKeeper } from './store-keeper.js';
import { openTinyRun, tinySpec, type TinyRun } from './tiny-run.fixture.js';
import type { TrainOptions } from './train-options.js';

const record = (step: number): StepRecord => ({
  ...{ step, epoch: 1, loss: 1, heads: {}, lr: 1, digest: 'd', samples: [], seconds: {} },
});

describe('the checkpoints of a run, kept by a writer and by another member', function () {
  this.timeout(20_000);
  let folder: string;
  let store: Store;
  let tiny: TinyRun;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lvnet-keeper-'));
    store = await openStore(pathToFileURL(folder).href);
    tiny = await openTinyRun();
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A member's keeper with a checkpoint due after each of these steps. */
  function memberOf(run: string, due: readonly number[], o: { referenced?: readonly number[] } = {}) {
    const options: TrainOptions = {
      ...{ spec: tinySpec({ run, stepsPerEpoch: 100 }), engine: tiny.engine, store, worker: 'w' },
      ...{ redisUrl: '', wire: 'float32', terms: {}, members: { min: 1, wanted: 1 } },
      checkpoint: { everySteps: 1, keep: 2, bytesPerSecond: 2 ** 30 },
      provenance: { network: null, data: null, engineFingerprint: '' },
      stop: { signal: new AbortController().signal, why: () => 'leave' },
      verdict: undefined,
      referenced: (steps) => Promise.resolve(steps.filter((step) => o.referenced?.includes(step) === true)),
      finish: () => Promise.resolve(),
      report: () => undefined,
    };
    const log = createStepLog();
    const keeper = openStoreKeeper(options, tiny.network, log);
    for (const step of due) {
      log.add(record(step));
      keeper.due(keeper.copy({ ...tiny.start(), step, digest: 'ab'.repeat(32) }));
    }
    return { keeper, log };
  }

  const writeAll = async ({ keeper }: ReturnType<typeof memberOf>) => {
    while (keeper.pending().length > 0) {
      keeper.tick(() => true);
      await keeper.idle();
    }
    await keeper.close();
  };
  const ask = async ({ keeper }: ReturnType<typeof memberOf>) => {
    keeper.tick(() => false);
    await keeper.idle();
    await keeper.close();
    return keeper.pending();
  };

  it('are let go by whoever asks when the writer has written and deleted them', async () => {
    const [writer, other] = [memberOf('late', [1, 2, 3, 4, 5]), memberOf('late', [1, 2, 3, 4, 5])];
    await writeAll(writer);
    assert.deepEqual(await checkpointSteps(store, 'late'), [4, 5]);
    assert.deepEqual(await ask(other), []);
    assert.deepEqual(other.log.upTo(9), [], 'and the records with them, as they are in the store');
    assert.equal((await readSteps(store, 'late')).length, 5);
  });

  it('are not written again by a new writer', async () => {
    await writeAll(memberOf('next', [1, 2, 3, 4]));
    await writeAll(memberOf('next', [1, 2, 3, 4, 5]));
    assert.deepEqual(await checkpointSteps(store, 'next'), [4, 5]);
  });

  it('stay with a member as long as one of them may still be wanted', async () => {
    await writeAll(memberOf('wanted', [4, 5]));
    assert.deepEqual(await ask(memberOf('wanted', [3], { referenced: [3] })), [3]);
    await writeAll(memberOf('single', [4]));
    assert.deepEqual(await ask(memberOf('single', [3])), [3]);
    assert.deepEqual(await ask(memberOf('single', [5])), [5]);
  });

  it('leave records with a member that are not in the store', async () => {
    await writeAll(memberOf('holes', [4, 5]));
    const other = memberOf('holes', [3, 4, 5]);
    assert.deepEqual(await ask(other), []);
    assert.deepEqual(
      other.log.upTo(9).map(({ step }) => step),
      [3],
    );
  });
});
