import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Experiment } from '@lvnet/experiments';
import type { RunStatus } from '@lvnet/coordinator';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { temporaryFolder } from '../support/data.js';
import { phantoms, tinyExperiment } from '../support/experiments.js';
import { lvnet } from '../support/lvnet.js';

const limitMs = 120_000;

describe('a run on request', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let root: string;
  before(async () => {
    root = await phantoms(join(folder.path(), 'scans'));
  });

  const experiment = (name: string): Experiment => ({
    ...tinyExperiment(root, { name, epochs: 40, batch: 2, shards: 2, everySteps: 5, patch: [16, 32, 32] }),
    seed: 11,
  });

  async function submit(cluster: TestCluster, content: Experiment) {
    const file = join(folder.path(), `${content.name}.json`);
    await writeFile(file, JSON.stringify({ ...content, data: { ...content.data, split } }));
    const { code, stdout, stderr } = await lvnet(['run', file, '--json'], { env: cluster.env });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as { run: string; created: boolean };
  }
  const split = { train: 2, validation: 1, test: 1 };

  async function start(name: string): Promise<TestCluster> {
    const cluster = await startTestCluster(join(folder.path(), name));
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    await cluster.startWorker('w2');
    await cluster.context();
    return cluster;
  }

  const ask = async (cluster: TestCluster, kind: string, run: string) => {
    const { code, stdout, stderr } = await lvnet([kind, run, '--json'], { env: cluster.env });
    return { code, stderr, value: JSON.parse(stdout) as RunStatus & { error?: { code: string } } };
  };

  it('pauses with a checkpoint, resumes, and ends with the same weights as one that never paused', async () => {
    await using cluster = await start('pause');
    const straight = await submit(cluster, experiment('straight'));
    const undisturbed = await cluster.until(straight.run, 'it ends', limitMs, (s) => s.state === 'done');

    await using other = await start('paused');
    const { run } = await submit(other, experiment('paused'));
    assert.equal(run, straight.run, 'the name is no part of the identity');
    await other.until(run, 'it trains', limitMs, (s) => s.step >= 7);
    const paused = await ask(other, 'pause', 'paused');
    assert.equal(paused.value.state, 'paused');
    const left = await other.until(run, 'the members leave', limitMs, async (s) => {
      const busy = (await other.registry.workers()).some((worker) => worker.activity !== 'idle');
      return !busy && s.checkpoint !== null;
    });
    assert.ok((left.checkpoint?.step ?? 0) >= 7, 'the last member left a checkpoint of where the run stood');
    assert.equal((await ask(other, 'pause', run)).code, 2, 'what is paused cannot be paused');
    assert.equal((await ask(other, 'resume', run)).value.state, 'running');
    const resumed = await other.until(run, 'it ends', limitMs, (s) => s.state === 'done');
    assert.equal(resumed.digest, undisturbed.digest);
  });

  it('is the same run when submitted again, another with --again, and is cancelled for good', async () => {
    await using cluster = await start('cancel');
    const first = await submit(cluster, experiment('one'));
    assert.equal(first.created, true);
    assert.deepEqual(await submit(cluster, experiment('two')), { ...first, name: 'one', created: false });
    await cluster.until(first.run, 'it trains', limitMs, (s) => s.step >= 3);
    assert.equal((await ask(cluster, 'cancel', first.run)).value.state, 'cancelled');
    const refused = await ask(cluster, 'resume', first.run);
    assert.equal(refused.code, 2);
    assert.equal(refused.value.error?.code, 'STATE_NOT_ALLOWED');
    await cluster.until(first.run, 'the workers are free again', limitMs, async () =>
      (await cluster.registry.workers()).every((worker) => worker.activity === 'idle'),
    );
    const unknown = await ask(cluster, 'cancel', 'nonsense');
    assert.equal(unknown.value.error?.code, 'RUN_NOT_FOUND');
    assert.equal(unknown.code, 2);
  });
});
