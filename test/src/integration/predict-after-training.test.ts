import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readCaseResults } from '@lvnet/coordinator';
import { writePhantomDataset } from '@lvnet/volumes';
import { startTestCluster } from '../support/cluster.js';
import { repository, temporaryFolder } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';

const run = promisify(execFile);
const lvnet = async (...args: string[]): Promise<unknown> => {
  const { stdout } = await run(process.execPath, [join(repository, 'packages/cli/bin/lvnet.js'), ...args]);
  return JSON.parse(stdout);
};

describe('a trained network', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  it('predicts on the command line what it predicted in its own validation', async () => {
    const data = join(folder.path(), 'data');
    await writePhantomDataset({ out: data, cases: 1, shape: [24, 48, 40], seed: 5 });
    await using cluster = await startTestCluster(join(folder.path(), 'cluster'));
    await cluster.startCoordinator();
    await cluster.startWorker('w');
    const split = await splitOfOne(data, { validate: true, test: true });
    const id = await cluster.submit(tinyExperiment(data, { workers: 1, epochs: 6 }), split);
    await cluster.until(id, 'the run ends', 90_000, (status) => status.state === 'done');
    const results = await readCaseResults(cluster.store, id);
    const tested = results.find((result) => result.split === 'test') ?? assert.fail('no test result');
    const masks = join(folder.path(), 'masks');
    const predicted = await lvnet(
      ...['predict', '--checkpoint', `${id}@${String(tested.step)}`, '--store', cluster.store.url],
      ...['--input', data, '--out', masks, '--json'],
    );
    const [item] = (predicted as { cases: { liverMl: number }[] }).cases;
    assert.equal(item?.liverMl, tested.volumeMl);
    const { cases } = (await lvnet('evaluate', '--reference', data, '--prediction', masks, '--json')) as {
      cases: unknown[];
    };
    assert.deepEqual(cases, [{ case: tested.case, ...tested.metrics }]);
    assert.ok((tested.metrics.dice ?? 0) > 0, 'the network found something, so equality says something');
  });
});
