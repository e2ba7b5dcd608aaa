import assert from 'node:assert/strict';
import { join } from 'node:path';
import { listCheckpoints } from '@lvnet/checkpoints';
import { startTestCluster } from '../support/cluster.js';
import { realCt, temporaryFolder } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';

describe('data-parallel training on real CT', function () {
  this.timeout(240_000);
  const folder = temporaryFolder();

  it('gives the same weights with 1, 2 and 3 worker processes', async function () {
    const root = realCt(this, 'lits-real/tiny');
    const split = await splitOfOne(root);
    const shas: string[] = [];
    const digests: string[] = [];
    for (const workers of [1, 2, 3]) {
      await using cluster = await startTestCluster(join(folder.path(), String(workers)));
      await cluster.startCoordinator();
      for (let i = 1; i <= workers; i++) await cluster.startWorker(`w${String(i)}`);
      const run = await cluster.submit(tinyExperiment(root, { workers, epochs: 20, everySteps: 20 }), split);
      const { last, most } = await cluster.untilDone(run, 120_000);
      assert.equal(most, workers, 'all workers were members');
      assert.ok(last.step >= 20);
      const final = (await listCheckpoints(cluster.store, run)).find(
        (manifest) => manifest.step === last.step,
      );
      const weights = final?.files.find((file) => file.name === 'weights.safetensors');
      assert.ok(final !== undefined && weights !== undefined);
      shas.push(weights.sha256);
      digests.push(final.digest);
    }
    assert.equal(new Set(shas).size, 1, `weights differ: ${shas.join(' ')}`);
    assert.equal(new Set(digests).size, 1);
  });
});
