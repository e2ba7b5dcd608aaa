import assert from 'node:assert/strict';
import { fakeClock } from '@lvnet/core';
import { metricTable } from './metric-table.js';
import { createTelemetry } from './telemetry.js';

const quiet = { process: 'worker', processMetrics: false } as const;

describe('telemetry', () => {
  it('knows every name of the contract, with its labels', () => {
    const table = Object.fromEntries(metricTable.map((m) => [m.name, m.labels.filter((l) => l !== 'run')]));
    assert.deepEqual(table, {
      lvnet_step: [],
      lvnet_loss: ['head'],
      lvnet_dice: ['split'],
      lvnet_step_seconds: ['phase'],
      lvnet_exchange_bytes_total: ['direction'],
      lvnet_shards_total: ['outcome'],
      lvnet_members: [],
      lvnet_view_changes_total: ['reason'],
      lvnet_waste_seconds_total: ['cause'],
      lvnet_checkpoint_seconds: [],
      lvnet_checkpoint_blocking_seconds: [],
      lvnet_checkpoint_age_seconds: [],
      lvnet_queue_jobs: ['queue', 'state'],
      lvnet_trials: ['state'],
      lvnet_budget_seconds: ['kind'],
      lvnet_device_memory_bytes: ['kind'],
      lvnet_build_info: ['version', 'process', 'node'],
    });
  });

  it('writes gauges, counters and histograms', async () => {
    const { metrics, text } = createTelemetry({ ...quiet, version: '1.2.3' });
    metrics.loss.set({ run: 'r', head: 'total' }, 0.5);
    metrics.shards.add({ run: 'r', outcome: 'committed' });
    metrics.shards.add({ run: 'r', outcome: 'committed' }, 3);
    metrics.stepSeconds.observe({ run: 'r', phase: 'forward' }, 0.3);
    const lines = (await text()).split('\n');
    assert.ok(lines.includes('lvnet_loss{run="r",head="total"} 0.5'));
    assert.ok(lines.includes('lvnet_shards_total{run="r",outcome="committed"} 4'));
    assert.ok(lines.includes('lvnet_step_seconds_bucket{le="0.25",run="r",phase="forward"} 0'));
    assert.ok(lines.includes('lvnet_step_seconds_bucket{le="0.5",run="r",phase="forward"} 1'));
    assert.ok(lines.some((l) => l.startsWith('lvnet_build_info{version="1.2.3",process="worker"')));
  });

  it('keeps two processes in one program apart', async () => {
    const a = createTelemetry(quiet);
    const b = createTelemetry(quiet);
    a.metrics.step.set({ run: 'only-in-a' }, 1);
    assert.ok(!(await b.text()).includes('only-in-a'));
  });

  it('removes every series of a run and nothing else', async () => {
    const { metrics, text, removeRun } = createTelemetry(quiet);
    for (const run of ['old', 'new']) {
      metrics.step.set({ run }, 4);
      metrics.viewChanges.add({ run, reason: 'lost' });
      metrics.checkpointSeconds.observe({ run }, 1);
    }
    removeRun('old');
    const after = await text();
    assert.ok(!after.includes('old'));
    assert.equal(after.split('\n').filter((line) => line.includes('"new"')).length, 2 + 14 + 2);
  });

  it('lets the series of an ended run go ten minutes later', async () => {
    const clock = fakeClock();
    const { metrics, text, retireRun } = createTelemetry({ ...quiet, clock });
    metrics.step.set({ run: 'done' }, 9);
    retireRun('done');
    await clock.advance(599_999);
    assert.ok((await text()).includes('"done"'));
    await clock.advance(1);
    assert.ok(!(await text()).includes('"done"'));
  });

  it('bounds the number of runs: the one written longest ago goes', async () => {
    const { metrics, text } = createTelemetry({ ...quiet, maxRuns: 2 });
    for (const run of ['a', 'b', 'a', 'c']) metrics.step.set({ run }, 1);
    const series = (await text()).split('\n').filter((line) => line.startsWith('lvnet_step{'));
    assert.deepEqual(series, ['lvnet_step{run="a"} 1', 'lvnet_step{run="c"} 1']);
  });

  it('asks its collectors before it answers', async () => {
    const { metrics, text, onCollect } = createTelemetry(quiet);
    onCollect(async () => {
      await Promise.resolve();
      metrics.checkpointAgeSeconds.set({ run: 'r' }, 7);
    });
    assert.match(await text(), /lvnet_checkpoint_age_seconds\{run="r"\} 7/);
  });
});
