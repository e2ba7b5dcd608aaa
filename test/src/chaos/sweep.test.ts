import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSteps } from '@lvnet/checkpoints';
import { sleep } from '@lvnet/core';
import { readRunEvents, readSweepStatus, type SweepStatus } from '@lvnet/coordinator';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { temporaryFolder } from '../support/data.js';
import { phantoms } from '../support/experiments.js';
import { lvnet } from '../support/lvnet.js';

const limitMs = 180_000;

describe('a grid sweep', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();

  it('survives kill -9 of the coordinator and of a worker, with each trial done exactly once', async () => {
    await using cluster = await startTestCluster(join(folder.path(), 'cluster'));
    const coordinator = await cluster.startCoordinator();
    const victim = await cluster.startWorker('w1');
    await cluster.startWorker('w2');
    await cluster.context(); // a worker is up: the sweep is for its engine
    const sweep = await submit(cluster, await phantoms(join(folder.path(), 'scans')));

    await until(cluster, sweep, 'a trial trains', (status) =>
      status.trials.some((trial) => trial.state === 'running' && trial.steps > 0),
    );
    await Promise.all([coordinator.kill(), victim.kill()]);
    await cluster.startCoordinator('second');
    await cluster.startWorker('w3');
    const last = await until(cluster, sweep, 'the sweep ends', (status) => status.state === 'done');

    assert.equal(last.trials.length, 4);
    assert.equal(new Set(last.trials.map((trial) => trial.run)).size, 4);
    for (const trial of last.trials) {
      assert.equal(trial.state, 'done');
      const steps = await readSteps(cluster.store, trial.run);
      assert.deepEqual(
        steps.map((record) => record.step),
        Array.from({ length: trial.steps }, (_, i) => i + 1),
      );
      // A member's last words may come after the end, and are told as of a run that is done.
      const events = await readRunEvents(cluster.store, trial.run);
      const ends = events.filter(({ state, text }) => state === 'done' && text === 'report written');
      assert.equal(ends.length, 1, `trial ${trial.run} ended once: ${JSON.stringify(events)}`);
    }
    const best = last.trials.reduce((a, b) => ((b.objective ?? 0) > (a.objective ?? 0) ? b : a));
    assert.equal(last.best?.objective, best.objective);
    await checkReport(cluster, sweep);
  });

  async function submit(cluster: TestCluster, root: string): Promise<string> {
    const file = join(folder.path(), 'sweep.yaml');
    await writeFile(file, sweepFile(root));
    const first = await lvnet(['sweep', file, '--json'], { env: cluster.env });
    assert.equal(first.code, 0, first.stderr);
    const { sweep, created } = JSON.parse(first.stdout) as { sweep: string; created: boolean };
    assert.equal(created, true);
    const again = await lvnet(['sweep', file, '--json'], { env: cluster.env });
    assert.deepEqual(JSON.parse(again.stdout), { ...JSON.parse(first.stdout), created: false });
    return sweep;
  }
});

async function checkReport({ store }: TestCluster, sweep: string): Promise<void> {
  const text = async (key: string) => new TextDecoder().decode(await store.get(key));
  const lines = (await text(`sweeps/${sweep}/trials.jsonl`)).trim().split('\n');
  assert.equal(lines.length, 4);
  const page = await text(`sweeps/${sweep}/report.html`);
  assert.match(page, /network\.expansionRate/);
  assert.match(page, /<svg/);
}

async function until(
  { store, registry }: TestCluster,
  sweep: string,
  what: string,
  holds: (status: SweepStatus) => boolean,
): Promise<SweepStatus> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const status = await readSweepStatus(store, registry, sweep);
    if (holds(status)) return status;
    assert.ok(performance.now() < endMs, `${what}: not reached; ${JSON.stringify(status, null, 1)}`);
    await sleep(100);
  }
}

const sweepFile = (root: string): string => `
name: small-sweep
seed: 3
data: { root: ${root}, split: { train: 2, validation: 1, test: 1 }, patch: [16, 32, 32] }
network: { baseWidth: 4, levels: 2, blocksPerStage: 1, kernel: 3, expansionRate: { choice: [1, 2] } }
loss: { eta: { choice: [[0.5], [0]] } }
optimizer: { learningRate: 0.002, decayPerEpoch: 1 }
training: { batch: 2, epochs: 12 }
workers: { min: 1, max: 2 }
checkpoint: { everySteps: 4 }
search: { algorithm: grid, parallel: 2 }
objective: { metric: dice, direction: maximize }
`;
