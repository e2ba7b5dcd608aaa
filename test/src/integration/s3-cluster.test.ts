import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listRuns } from '@lvnet/coordinator';
import { findS3Server, startS3Server, type S3Server } from '@lvnet/store/testing';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { realCt, temporaryFolder } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';

const limitMs = 120_000;

describe('a cluster whose store is S3', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let server: S3Server | undefined;
  before(async function () {
    if (findS3Server() === undefined && process.env['CI'] === undefined) {
      process.stderr.write('      skipped: no S3 server (npm run setup -- --test installs one)\n');
      this.skip();
    }
    server = await startS3Server();
  });
  after(() => server?.stop());

  async function start(name: string): Promise<TestCluster> {
    assert.ok(server !== undefined);
    const storeUrl = `s3://${server.bucket}/lab`;
    const cluster = await startTestCluster(join(folder.path(), name), { storeUrl, env: server.env });
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    await cluster.startWorker('w2');
    return cluster;
  }

  it('goes on from the bucket alone when all processes died and both Redis came back empty', async function () {
    const root = realCt(this, 'lits-real/tiny');
    const split = await splitOfOne(root, { validate: true, test: true });
    const experiment = tinyExperiment(root, { epochs: 12, batch: 2, shards: 2, everySteps: 5 });
    const directory = await startTestCluster(join(folder.path(), 'directory'));
    await directory.startCoordinator();
    await directory.startWorker('w1');
    const twin = await directory.submit(experiment, split);
    const undisturbed = await directory.until(twin, 'its twin ends', limitMs, (s) => s.state === 'done');
    await directory[Symbol.asyncDispose]();

    let run = '';
    {
      await using first = await start('first');
      run = await first.submit(experiment, split);
      await first.until(run, 'a checkpoint', limitMs, (s) => (s.checkpoint?.step ?? 0) >= 5);
    } // everything is killed
    await rm(join(folder.path(), 'first'), { recursive: true });
    await using second = await start('second');
    // Before anybody told the new, empty Redis of it.
    const listed = (await listRuns(second.store, undefined)).filter((item) => item.run === run);
    assert.deepEqual(
      listed.map(({ state, name }) => [state, name]),
      [['running', 'test']],
    );
    assert.ok((listed[0]?.checkpoint?.step ?? 0) >= 5);
    const last = await second.until(run, 'the run ends', limitMs, (s) => s.state === 'done');
    assert.equal(run, twin);
    assert.equal(last.digest, undisturbed.digest);
    const report = await second.store.get(`runs/${run}/report/report.json`);
    assert.ok(report.byteLength > 0);
  });
});
