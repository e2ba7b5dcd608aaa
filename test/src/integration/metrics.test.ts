import assert from 'node:assert/strict';
import { join } from 'node:path';
import { metricTable } from '@lvnet/telemetry';
import { startTestCluster } from '../support/cluster.js';
import { realCt, temporaryFolder } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { findPromtool, runTool } from '../support/tools.js';

/** Series that only say something in later chapters of a run's life; their names are exported all the same. */
const notInThisRun: ReadonlySet<string> = new Set(['lvnet_budget_seconds']);
/** A shard that w2 computes to no use. */
const fault = { worker: 'w2', step: 6, kind: 'nan' };

describe('/metrics of a running cluster', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();

  it('carries every metric of the table, and promtool finds no fault', async function () {
    const promtool = findPromtool(this);
    const root = realCt(this, 'lits-real/tiny');
    const split = await splitOfOne(root, { validate: true });
    await using cluster = await startTestCluster(join(folder.path(), 'cluster'));
    const coordinator = await cluster.startCoordinator();
    await cluster.startWorker('w1');
    await cluster.startWorker('w2', { LVNET_FAULTS: JSON.stringify([fault]) });
    const run = await cluster.submit(tinyExperiment(root, { epochs: 8, everySteps: 2 }), split);
    const last = await cluster.until(run, 'the run ends', 120_000, (status) => status.state === 'done');

    const workers = await cluster.registry.workers();
    assert.equal(workers.length, 2);
    const ports = [await coordinator.port, ...workers.map((worker) => worker.metricsPort ?? 0)];
    const texts = await Promise.all(ports.map(scrape));
    const [ofCoordinator = '', ...ofWorkers] = texts;
    for (const text of texts) {
      const { status, output } = runTool(promtool, ['check', 'metrics'], { input: text });
      assert.equal(status, 0, output);
    }
    for (const spec of metricTable) {
      const where = spec.exportedBy === 'coordinator' ? [ofCoordinator] : ofWorkers;
      for (const text of where) assert.match(text, new RegExp(`^# TYPE ${spec.name} ${spec.type}$`, 'm'));
      if (notInThisRun.has(spec.name)) continue;
      const sample = new RegExp(`^${spec.name}(_count)?[{ ]`, 'm');
      assert.ok(
        where.some((text) => sample.test(text)),
        `${spec.name} has a sample`,
      );
    }
    assert.match(ofCoordinator, new RegExp(`^lvnet_step\\{run="${run}"\\} ${String(last.step)}$`, 'm'));
    const shards = ofWorkers.map((text) =>
      valueOf(text, /^lvnet_shards_total\{.*outcome="committed".*\} (\d+)$/m),
    );
    assert.equal(
      shards.reduce((sum, count) => sum + count, 0),
      last.step * 4,
      'every shard counts once',
    );
    assert.match(cluster.stderr(), /fault nan at step 6 of w2/, 'the fault struck');
    const wasted = ofWorkers.map((text) =>
      valueOf(text, /^lvnet_shards_total\{.*outcome="wasted".*\} (\d+)$/m),
    );
    assert.deepEqual(wasted.sort(), [0, 1]);
    const seconds = /^lvnet_waste_seconds_total\{.*cause="discarded".*\} (\S+)$/m;
    assert.ok(ofWorkers.some((text) => valueOf(text, seconds) > 0));
  });
});

async function scrape(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
  assert.equal(response.status, 200);
  return response.text();
}

const valueOf = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
