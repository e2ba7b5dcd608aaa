import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { startTestCluster, type TestCluster, type TestProcess } from '../support/cluster.js';
import { realCt, temporaryFolder } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { wordsOf } from '../support/outcome.js';
import { childrenOf, isRunning } from '../support/processes.js';
import { until } from '../support/until.js';

const limitMs = 120_000;

describe('kill -9', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let experiment: Experiment;
  let split: RunSplit;
  let undisturbed: string;

  before(async function () {
    const root = realCt(this, 'lits-real/tiny');
    experiment = tinyExperiment(root, { epochs: 30, everySteps: 5, batch: 2, shards: 2 });
    split = await splitOfOne(root);
    await using cluster = await start('undisturbed');
    await startAll(cluster);
    const run = await cluster.submit(experiment, split);
    const last = await cluster.until(run, 'the undisturbed run ends', limitMs, (s) => s.state === 'done');
    assert.ok(last.digest !== null);
    undisturbed = last.digest;
  });

  const start = async (name: string): Promise<TestCluster> => startTestCluster(join(folder.path(), name));

  async function startAll(cluster: TestCluster) {
    const coordinator = await cluster.startCoordinator();
    const workers = [await cluster.startWorker('w1'), await cluster.startWorker('w2')];
    return { coordinator, workers };
  }

  it('of a worker: the run goes on from the last checkpoint and ends with the same weights', async () => {
    await using cluster = await start('worker');
    const { workers } = await startAll(cluster);
    const run = await cluster.submit(experiment, split);
    const at = await cluster.until(
      run,
      'two members train',
      limitMs,
      (s) => s.members.length === 2 && s.step >= 12,
    );
    const [victim] = workers;
    assert.ok(victim !== undefined);
    const children = childrenOf(victim.pid);
    assert.ok(children.length > 0, 'the worker has a trainer child');
    await victim.kill();
    for (const pid of children) await until(() => !isRunning(pid), 5_000); // they must not outlive their parent
    const last = await cluster.until(run, 'the run ends', limitMs, (s) => s.state === 'done');
    assert.ok(last.step > at.step);
    assert.equal(last.digest, undisturbed);
  });

  it('of a trainer child: its supervisor says why and starts another', async () => {
    await using cluster = await start('child');
    const { workers } = await startAll(cluster);
    const run = await cluster.submit(experiment, split);
    await cluster.until(run, 'training', limitMs, (s) => s.members.length === 2 && s.step >= 12);
    const [worker] = workers;
    assert.ok(worker !== undefined);
    const [child] = childrenOf(worker.pid);
    assert.ok(child !== undefined);
    process.kill(child, 'SIGKILL');
    const last = await cluster.until(run, 'the run ends', limitMs, (s) => s.state === 'done');
    assert.match(worker.stderr(), /SIGKILL/);
    assert.match(wordsOf(last), /w\d-\S+ failed: The trainer process ended .*SIGKILL/, 'the run says so too');
    assert.equal(last.digest, undisturbed);
  });

  it('of the coordinator: training goes on, the next one finishes the run', async () => {
    await using cluster = await start('coordinator');
    const { coordinator } = await startAll(cluster);
    const run = await cluster.submit(experiment, split);
    const at = await cluster.until(run, 'training', limitMs, (s) => s.step >= 5);
    await coordinator.kill();
    await cluster.until(run, 'steps go on without a coordinator', limitMs, (s) => s.step >= at.step + 3);
    await cluster.startCoordinator('second');
    const last = await cluster.until(run, 'the run ends', limitMs, (s) => s.state === 'done');
    assert.equal(last.digest, undisturbed);
  });

  it('of everything: a new cluster on the same store goes on from the checkpoint', async () => {
    const name = join(folder.path(), 'everything');
    let run = '';
    let stepBefore = 0;
    {
      await using cluster = await startTestCluster(name);
      const { coordinator, workers } = await startAll(cluster);
      run = await cluster.submit(experiment, split);
      const at = await cluster.until(run, 'a checkpoint', limitMs, (s) => (s.checkpoint?.step ?? 0) >= 10);
      stepBefore = at.checkpoint?.step ?? 0;
      await Promise.all([coordinator, ...workers].map((item: TestProcess) => item.kill()));
    }
    await using cluster = await startTestCluster(name);
    await startAll(cluster);
    const last = await cluster.until(run, 'the run ends', limitMs, (s) => s.state === 'done');
    assert.ok(stepBefore >= 10);
    assert.equal(last.digest, undisturbed);
  });
});
