import assert from 'node:assert/strict';
import { join } from 'node:path';
import { submitRun } from '@lvnet/coordinator';
import { sleep } from '@lvnet/core';
import { isTensorFlowInstalled } from '@lvnet/engine';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { temporaryFolder } from '../support/data.js';
import { phantoms, splitOfOne, tinyExperiment } from '../support/experiments.js';
import { skip } from '../support/tools.js';

const limitMs = 120_000;

describe('training on TensorFlow', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  before(function () {
    if (!isTensorFlowInstalled()) skip(this, 'no TensorFlow (npx lvnet setup tensorflow)');
  });

  const startWorker = (cluster: TestCluster, name: string, engine: string) =>
    cluster.start(name, [
      ...['worker', '--name', name, '--engine', engine],
      ...['--threads', '1', '--port', '0'],
    ]);

  it('gives two workers the bytes of one, beside a run of another engine', async () => {
    const root = await phantoms(join(folder.path(), 'data'));
    const split = await splitOfOne(root);
    await using cluster = await startTestCluster(join(folder.path(), 'cluster'));
    await cluster.startCoordinator();
    await startWorker(cluster, 't1', 'tensorflow');
    await startWorker(cluster, 't2', 'tensorflow');
    await startWorker(cluster, 'n1', 'native');
    const submit = async (kind: string, workers: number) => {
      const { fingerprint } = await workerOf(cluster, kind);
      const context = { ...(await cluster.context()), engine: { kind, fingerprint } };
      const experiment = tinyExperiment(root, { epochs: 16, workers });
      const { document } = await submitRun(context, experiment, { split, again: true });
      return document.run;
    };
    const alone = await cluster.untilDone(await submit('tensorflow', 1), limitMs);
    assert.equal(alone.members.length, 1);
    const [together, native] = await Promise.all([
      cluster.untilDone(await submit('tensorflow', 2), limitMs),
      cluster.untilDone(await submit('native', 2), limitMs),
    ]);
    assert.deepEqual(together.members, ['t1', 't2'], 'the native worker has no part');
    assert.deepEqual(native.members, ['n1']);
    assert.match(alone.last.digest ?? '', /^[0-9a-f]{64}$/);
    assert.equal(together.last.digest, alone.last.digest);
    assert.notEqual(native.last.digest, alone.last.digest);
  });
});

async function workerOf(cluster: TestCluster, kind: string): Promise<{ fingerprint: string }> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const workers = await cluster.registry.workers();
    const found = workers.find((worker) => worker.engine === kind);
    if (workers.length === 3 && found !== undefined) return found;
    assert.ok(performance.now() < endMs, `the ${kind} worker comes up`);
    await sleep(50);
  }
}
