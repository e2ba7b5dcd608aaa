import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { findS3Server, startS3Server } from '@lvnet/store/testing';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { realCt, temporaryFolder, untilEnd } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { startS3Proxy, type S3Proxy, type S3Trouble } from '../support/s3-proxy.js';
import { until } from '../support/until.js';
import { weightsAtEnd } from '../support/outcome.js';

const limitMs = 120_000;

describe('an S3 store in trouble, in the middle of a run', function () {
  this.timeout(240_000);
  const folder = temporaryFolder();
  const keep = untilEnd();
  let proxy: S3Proxy;
  let cluster: TestCluster;
  let experiment: Experiment;
  let split: RunSplit;
  let undisturbed: string;

  before(async function () {
    if (findS3Server() === undefined && process.env['CI'] === undefined) {
      process.stderr.write('      skipped: no S3 server (npm run setup -- --test installs one)\n');
      this.skip();
    }
    const root = realCt(this, 'lits-real/tiny');
    experiment = tinyExperiment(root, {
      ...{ epochs: 60, everySteps: 10, batch: 4, shards: 4, patch: [16, 16, 16] },
    });
    split = await splitOfOne(root);
    const server = keep(await startS3Server());
    proxy = keep(await startS3Proxy(server.endpoint));
    cluster = keep(
      await startTestCluster(join(folder.path(), 'cluster'), {
        storeUrl: `s3://${server.bucket}/lab`,
        env: { ...server.env, AWS_ENDPOINT_URL: proxy.endpoint },
        shardMs: 30,
      }),
    );
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    await cluster.startWorker('w2');
    undisturbed = await weightsAtEnd(cluster, await cluster.submit(experiment, split), limitMs);
  });

  const troubles: { kind: S3Trouble; methods: string[]; what: string }[] = [
    { kind: '500', methods: ['PUT', 'POST'], what: 'answers 500 to every write' },
    { kind: '503', methods: ['PUT', 'POST', 'GET'], what: 'asks to slow down (503)' },
    { kind: '403', methods: ['PUT', 'POST'], what: 'denies every write (403)' },
    { kind: 'slow', methods: ['PUT', 'POST'], what: 'takes three seconds for every write' },
    { kind: 'truncated', methods: ['GET'], what: 'breaks off its answers' },
    { kind: 'cut', methods: ['PUT', 'POST', 'GET', 'HEAD'], what: 'ends every connection' },
  ];
  for (const { kind, methods, what } of troubles) {
    it(`that ${what}: training goes on, nothing is lost`, async () => {
      const run = await cluster.submit(experiment, split, { again: true });
      const at = await cluster.until(run, 'training', limitMs, (s) => s.members.length === 2 && s.step >= 4);
      const before = proxy.struck();
      proxy.trouble(kind, methods);
      try {
        await until(() => proxy.struck() >= before + 3, 20_000);
        const progress = async () => (await cluster.registry.progress(run))?.step ?? 0;
        await until(async () => (await progress()) >= Math.min(60, at.step + 8), 30_000);
      } finally {
        proxy.trouble('none');
      }
      assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    });
  }
});
