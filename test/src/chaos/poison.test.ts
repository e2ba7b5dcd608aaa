import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSteps } from '@lvnet/checkpoints';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { startTestCluster, type TestCluster, type TestProcess } from '../support/cluster.js';
import { realCt, temporaryFolder, untilEnd } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { lvnet } from '../support/lvnet.js';
import { weightsAtEnd, wordsOf } from '../support/outcome.js';

const limitMs = 90_000;
const badStep = 6;
const one = { train: 1, validation: 0, test: 0 };
/** Jumps of the loss are judged by the losses before. */
const spikeStep = 18;

/** Workers that compute something wrong on purpose (LVNET_FAULTS), in real processes. */
describe('what is computed wrongly', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const keep = untilEnd();
  let cluster: TestCluster;
  let workers: TestProcess[] = [];
  let experiment: Experiment;
  let split: RunSplit;
  let undisturbed: string;

  before(async function () {
    const root = realCt(this, 'lits-real/tiny');
    experiment = tinyExperiment(root, { epochs: 24, everySteps: 5, batch: 4, shards: 4 });
    split = await splitOfOne(root);
    cluster = keep(await startTestCluster(folder.path()));
    await cluster.startCoordinator();
    await startWorkers([]);
    undisturbed = await weightsAtEnd(cluster, await cluster.submit(experiment, split), limitMs);
  });

  /** Two new workers, with faults that strike once. */
  async function startWorkers(faults: readonly object[]): Promise<void> {
    await Promise.all(workers.map((worker) => worker.kill()));
    const env = { LVNET_FAULTS: JSON.stringify(faults) };
    workers = await Promise.all(['w1', 'w2'].map((name) => cluster.startWorker(name, env)));
  }
  const fault = (worker: string, kind: string, step = badStep) => ({ worker, step, kind });

  for (const [kind, step] of [
    ['nan', badStep],
    ['spike', spikeStep],
  ] as const) {
    it(`by one member (${kind}): another one computes it, and the one to blame stays away`, async () => {
      await startWorkers([fault('w2', kind, step)]);
      const run = await cluster.submit(experiment, split, { again: true });
      assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
      assert.match(
        workers.map((worker) => worker.stderr()).join('\n'),
        new RegExp(`fault ${kind} at step ${String(step)} of w2`),
        'the fault struck',
      );
      const words = wordsOf(await cluster.until(run, 'end', 5_000, () => true));
      assert.match(words, /step \d+: what w2-\S+ computed was wrong; another member computed it well/);
      assert.match(words, /w2-\S+ stays away for 10 minutes/);
    });
  }

  it('by every member, as the sample is bad: the run stops and names it', async () => {
    const faults = [fault('w1', 'nan-everywhere'), fault('w2', 'nan-everywhere')];
    await startWorkers(faults);
    const run = await cluster.submit(experiment, split, { again: true });
    const last = await cluster.until(run, 'the run fails', limitMs, (s) => s.state === 'failed');
    assert.match(last.reason ?? '', /Step 6: shard 0/);
    assert.match(last.reason ?? '', new RegExp(split.train[0]?.case ?? 'no case'));

    const file = join(folder.path(), 'failed.json');
    await writeFile(file, JSON.stringify({ ...experiment, data: { ...experiment.data, split: one } }));
    const told = await lvnet(['run', file, '--again', '--watch', '--json'], { env: cluster.env });
    const document = JSON.parse(told.stdout) as { state: string; error?: { message: string } };
    assert.deepEqual([told.code, document.state], [1, 'failed'], 'one document, that of a failed run');
    assert.match(document.error?.message ?? '', /failed: .*Step 6: shard 0/);
  });

  it('by every member, where bad samples are left out: the run goes on, and its books say so', async () => {
    const faults = [fault('w1', 'nan-everywhere'), fault('w2', 'nan-everywhere')];
    await startWorkers(faults);
    const skipping = { ...experiment, training: { ...experiment.training, onBadSample: 'skip' as const } };
    const run = await cluster.submit(skipping, split, { again: true });
    await weightsAtEnd(cluster, run, limitMs);
    const steps = await readSteps(cluster.store, run);
    assert.deepEqual(
      steps.filter((record) => (record.skipped ?? []).length > 0).map(({ step }) => step),
      [badStep],
    );
  });

  it('as a bit of one member’s weights flipped: found at the next step, with member, step and tensor', async () => {
    await startWorkers([fault('w2', 'flip')]);
    const run = await cluster.submit(experiment, split, { again: true });
    assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    const words = wordsOf(await cluster.until(run, 'end', 5_000, () => true));
    assert.match(
      words,
      /After step 5 the weights of w2-\S+ are wrong, first in \S+\.(weight|bias|running_\w+):/,
    );
  });

  it('not at all, as the computing thread hangs: the others go on', async () => {
    await startWorkers([fault('w2', 'hang')]);
    const run = await cluster.submit(experiment, split, { again: true });
    assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    const words = wordsOf(await cluster.until(run, 'end', 5_000, () => true));
    assert.match(words, /w2-\S+ computes at one shard for longer than ever before/);
  });
});
