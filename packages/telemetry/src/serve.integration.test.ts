import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '@lvnet/core';
import { serveMetrics } from './serve.js';
import { createTelemetry, type Telemetry } from './telemetry.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const LOOPBACK = '127.0.0.1';

describe('/metrics and /healthz over HTTP', () => {
  it('serves text that promtool finds nothing wrong with', async function () {
    const promtool = findPromtool();
    if (promtool === undefined) {
      assert.equal(process.env['CI'], undefined, 'promtool is needed in CI');
      process.stderr.write('      skipped: no promtool (set LVNET_PROMTOOL or install prometheus)\n');
      this.skip();
    }
    const telemetry = filled();
    await using server = await serveMetrics(telemetry, 0, LOOPBACK);
    const response = await fetch(`http://${LOOPBACK}:${String(server.port)}/metrics`);
    const text = await response.text();
    assert.equal(response.status, 200);
    assert.match(text, /process_resident_memory_bytes/);
    const check = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.deepEqual([check.status, check.stdout, check.stderr], [0, '', '']);
  });

  it('tells the health of the process', async () => {
    let ok = true;
    await using server = await serveMetrics(filled(), 0, LOOPBACK, () => ({ ok, details: { leader: true } }));
    const url = `http://${LOOPBACK}:${String(server.port)}/healthz`;
    const healthy = await fetch(url);
    assert.deepEqual([healthy.status, await healthy.json()], [200, { ok: true, details: { leader: true } }]);
    ok = false;
    assert.equal((await fetch(url)).status, 503);
    assert.equal((await fetch(url, { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${url}/elsewhere`)).status, 404);
  });

  it('answers 500 and lives on when a collector or the health check throws', async () => {
    const telemetry = filled();
    telemetry.onCollect(() => {
      throw new Error('queue is away');
    });
    await using server = await serveMetrics(telemetry, 0, LOOPBACK);
    const base = `http://${LOOPBACK}:${String(server.port)}`;
    assert.equal((await fetch(`${base}/metrics`)).status, 500);
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
  });

  it('says PORT_IN_USE for a taken port', async () => {
    await using server = await serveMetrics(filled(), 0, LOOPBACK);
    await assert.rejects(
      serveMetrics(filled(), server.port, LOOPBACK),
      (e) => e instanceof Failure && e.code === 'PORT_IN_USE' && e.details['port'] === server.port,
    );
  });
});

function filled(): Telemetry {
  const telemetry = createTelemetry({ process: 'worker' });
  const run = 'liver-1';
  telemetry.metrics.step.set({ run }, 12);
  telemetry.metrics.loss.set({ run, head: 'main' }, 0.25);
  telemetry.metrics.dice.set({ run, split: 'validation' }, 0.9);
  telemetry.metrics.stepSeconds.observe({ run, phase: 'backward' }, 0.7);
  telemetry.metrics.exchangeBytes.add({ run, direction: 'sent' }, 1000);
  telemetry.metrics.queueJobs.set({ queue: 'prepare', state: 'waiting' }, 2);
  return telemetry;
}

function findPromtool(): string | undefined {
  const inPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'promtool'));
  const candidates = [
    process.env['LVNET_PROMTOOL'] ?? '',
    ...inPath,
    join(repository, '.cache/tools/prometheus/promtool'),
  ];
  return candidates.find((path) => path !== '' && existsSync(path));
}
