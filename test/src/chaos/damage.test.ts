import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkpointSteps } from '@lvnet/checkpoints';
import { hashDataset, type RunStatus } from '@lvnet/coordinator';
import { runKeys, type Experiment, type RunSplit } from '@lvnet/experiments';
import { openStore } from '@lvnet/store';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { temporaryFolder } from '../support/data.js';
import { phantoms, tinyExperiment } from '../support/experiments.js';

const limitMs = 120_000;

describe('a damaged store', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let experiment: Experiment;
  let split: RunSplit;
  let undisturbed: string;

  before(async () => {
    const root = await phantoms(join(folder.path(), 'scans'));
    experiment = tinyExperiment(root, {
      epochs: 30,
      batch: 1,
      shards: 1,
      everySteps: 5,
      patch: [16, 32, 32],
    });
    split = { train: (await hashDataset({}, root)).slice(0, 1), validation: [], test: [] };
    await using cluster = await start('undisturbed');
    const run = await cluster.submit(experiment, split);
    const last = await cluster.until(run, 'it ends', limitMs, (s) => s.state === 'done');
    assert.ok(last.digest !== null);
    undisturbed = last.digest;
  });

  async function start(name: string, storeUrl?: string): Promise<TestCluster> {
    const cluster = await startTestCluster(
      join(folder.path(), name),
      storeUrl === undefined ? {} : { storeUrl },
    );
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    return cluster;
  }
  const tells = (status: RunStatus, pattern: RegExp) =>
    status.events.some((event) => pattern.test(event.text));

  it('costs the newest checkpoint only: the one before it is used, and the run says so', async () => {
    let run = '';
    {
      await using cluster = await start('corrupt');
      run = await cluster.submit(experiment, split);
      await cluster.until(run, 'checkpoints', limitMs, (s) => (s.checkpoint?.step ?? 0) >= 10);
    }
    const store = await openStore(pathToFileURL(join(folder.path(), 'corrupt/store')).href);
    const newest = (await checkpointSteps(store, run)).at(-1) ?? 0;
    assert.ok(newest >= 10);
    const path = join(
      folder.path(),
      'corrupt/store/runs',
      run,
      'checkpoints',
      String(newest),
      'weights.safetensors',
    );
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    await using cluster = await start('corrupt');
    const last = await cluster.until(run, 'it ends', limitMs, (s) => s.state === 'done');
    assert.ok(tells(last, new RegExp(`checkpoint ${String(newest)} was left out: .*damaged: its SHA-256`)));
    assert.equal(last.digest, undisturbed);
  });

  it('that waits for its validation does not end the run: it is written again, then validated', async () => {
    const scans = await hashDataset({}, join(folder.path(), 'scans'));
    const judged = { ...split, validation: scans.slice(1, 2) };
    const epochsOnly = { ...experiment, checkpoint: { ...experiment.checkpoint, everySteps: 1_000 } };
    let run = '';
    {
      await using cluster = await start('judged');
      run = await cluster.submit(epochsOnly, judged);
      await cluster.until(run, 'checkpoints', limitMs, (s) => (s.checkpoint?.step ?? 0) >= 10);
    }
    const root = join(folder.path(), 'judged/store');
    const store = await openStore(pathToFileURL(root).href);
    const newest = (await checkpointSteps(store, run)).at(-1) ?? 0;
    await store.delete(runKeys.verdict(run, newest));
    for (const item of judged.validation)
      await store.delete(runKeys.caseResult(run, newest, 'validation', item.case));
    const path = join(root, 'runs', run, 'checkpoints', String(newest), 'weights.safetensors');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 4));
    await using cluster = await start('judged');
    const last = await cluster.until(
      run,
      'it ends',
      limitMs,
      (s) => s.state === 'done' || s.state === 'failed',
    );
    assert.equal(last.state, 'done', last.reason ?? '');
    assert.ok(tells(last, new RegExp(`checkpoint ${String(newest)} was left out: .*damaged: it has`)));
    assert.equal(last.digest, undisturbed);
    assert.ok((await store.head(runKeys.verdict(run, newest))) !== undefined, 'it was validated after all');
  });

  it('without space: training goes on and says so, and once there is space nothing is missing', async function () {
    const disk = join(folder.path(), 'disk');
    await mkdir(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
    if (mounted.status !== 0) {
      process.stderr.write('      skipped: only root can make a small disk\n');
      this.skip();
    }
    try {
      await using cluster = await start('full', pathToFileURL(disk).href);
      const ballast = join(disk, 'ballast');
      const run = await cluster.submit(experiment, split);
      await cluster.until(run, 'it trains', limitMs, (s) => s.step >= 3);
      await fill(ballast);
      await cluster.until(
        run,
        'it says that the disk is full',
        limitMs,
        (s) => s.step > 3 && cluster.stderr().includes('No space left'),
      );
      await writeFile(ballast, '');
      const last = await cluster.until(run, 'it ends', limitMs, (s) => s.state === 'done');
      assert.equal(last.digest, undisturbed);
    } finally {
      spawnSync('umount', ['--lazy', disk]);
    }
  });

  async function fill(path: string): Promise<void> {
    for (let bytes = 2 ** 21; bytes >= 512; bytes /= 2) {
      await writeFile(path, Buffer.alloc(bytes), { flag: 'a' }).catch(() => undefined);
    }
  }
});
