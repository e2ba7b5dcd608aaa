import assert from 'node:assert/strict';
import { join } from 'node:path';
import { listCheckpoints } from '@lvnet/checkpoints';
import { hashDataset } from '@lvnet/coordinator';
import { parseExperiment, type Experiment, type RunSplit } from '@lvnet/experiments';
import { networkNames, type NetworkName } from '@lvnet/networks';
import { readLabelMap } from '@lvnet/volumes';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { temporaryFolder } from '../support/data.js';
import { phantoms } from '../support/experiments.js';
import { lvnet } from '../support/lvnet.js';

/** Small ones of each, and the smallest blocks that they take; the phantoms have 16 slices. */
const networks: Record<NetworkName, { network: object; patch: number[]; loss?: object }> = {
  'u-net': { network: { name: 'u-net', baseWidth: 2 }, patch: [8, 32, 32] },
  'ce-net': { network: { name: 'ce-net', baseWidth: 4, context: 'neighbours' }, patch: [4, 192, 192] },
  '3d-u-net': { network: { name: '3d-u-net', baseWidth: 4, groups: 2 }, patch: [8, 30, 33] },
  'v-net': { network: { name: 'v-net', baseWidth: 2 }, patch: [16, 32, 48] },
  'lv-net': {
    network: { name: 'lv-net', baseWidth: 4, levels: 3, blocksPerStage: 1, kernel: 3 },
    patch: [8, 32, 32],
    loss: { eta: [0.5, 1] },
  },
};

const steps = 20;

describe('each of the five networks', function () {
  this.timeout(420_000);
  const folder = temporaryFolder();
  let data: { root: string; split: RunSplit };
  before(async () => {
    const root = await phantoms(join(folder.path(), 'data'));
    const [first, second] = await hashDataset({}, root);
    assert.ok(first !== undefined && second !== undefined);
    data = { root, split: { train: [first, second], validation: [], test: [] } };
  });

  for (const name of networkNames) {
    it(`${name} trains with two workers that are killed, to the bytes of one worker, and predicts`, async () => {
      const experiment = experimentOf(name, data.root);
      const where = (what: string) => join(folder.path(), `${name}-${what}`);
      const calm = await finalOf(where('calm'), experiment, data.split, trainAlone);
      const hurt = await finalOf(where('hurt'), experiment, data.split, trainHurt);
      assert.deepEqual(hurt, calm);
      assert.ok(calm.losses.length > 0 && calm.losses.every(Number.isFinite), 'it ended with losses');
      assert.ok(calm.liverVoxels.every(Number.isInteger));
    });
  }
});

function experimentOf(name: NetworkName, root: string): Experiment {
  const { network, patch, loss = {} } = networks[name];
  const blocks = 2 * Math.ceil(16 / (patch[0] ?? 1)); // of both cases
  return parseExperiment(
    JSON.stringify({
      ...{ name, seed: 3, network, loss },
      data: { root, split: { train: 2, validation: 0, test: 0 }, patch },
      training: { batch: 2, shards: 2, epochs: Math.ceil((2 * steps) / blocks) },
      workers: { min: 1, max: 2, engine: 'native' },
      checkpoint: { everySteps: 5, keep: 1_000 },
    }),
  );
}

async function trainAlone(cluster: TestCluster, submit: () => Promise<string>): Promise<string> {
  await cluster.startWorker('w0');
  return submit();
}

/** Neither gets beyond the step at which it dies, however often it begins anew. */
const faults = [
  { worker: 'w2', step: 6, kind: 'kill' },
  { worker: 'w1', step: 13, kind: 'kill' },
  { worker: 'w2', step: 13, kind: 'kill' },
];

/** The second of two workers dies, then the first or both; a third one resumes from the last checkpoint. */
async function trainHurt(cluster: TestCluster, submit: () => Promise<string>): Promise<string> {
  const workers = [await cluster.startWorker('w1'), await cluster.startWorker('w2')];
  const run = await submit();
  const died = (worker: string) => new RegExp(`fault kill at step \\d+ of ${worker}`).test(cluster.stderr());
  await cluster.until(run, 'both die', 120_000, () => died('w1') && died('w2'));
  for (const worker of workers) await worker.kill();
  await cluster.startWorker('w3');
  return run;
}

/** What is left at the end: of the weights, of the losses, and of a scan that the network has not seen. */
async function finalOf(
  folder: string,
  experiment: Experiment,
  split: RunSplit,
  train: (cluster: TestCluster, submit: () => Promise<string>) => Promise<string>,
): Promise<{ sha256: string; digest: string; losses: number[]; liverVoxels: number[] }> {
  await using cluster = await startTestCluster(folder, {
    env: { LVNET_FAULTS: JSON.stringify(faults) },
  });
  await cluster.startCoordinator();
  const run = await train(cluster, () => cluster.submit(experiment, split));
  const last = await cluster.until(run, 'the run ends', 300_000, ({ state }) => state === 'done');
  assert.ok(last.step >= steps);
  const final = (await listCheckpoints(cluster.store, run)).find(({ step }) => step === last.step);
  const weights = final?.files.find((file) => file.name === 'weights.safetensors');
  assert.ok(final !== undefined && weights !== undefined);
  const losses = Object.values(last.losses ?? {});
  const liverVoxels = await predicted(`${run}@last`, cluster.store.url, experiment.data.root, folder);
  return { sha256: weights.sha256, digest: final.digest, losses, liverVoxels };
}

async function predicted(checkpoint: string, store: string, root: string, folder: string): Promise<number[]> {
  const input = join(root, 'volume-3.nii.gz');
  const out = join(folder, 'masks');
  const args = ['predict', '--checkpoint', checkpoint, '--store', store, '--input', input, '--out', out];
  const { code, stderr } = await lvnet([...args, '--engine', 'native']);
  assert.equal(code, 0, stderr);
  const { labels, shape } = await readLabelMap(join(out, 'segmentation-3.nii.gz'));
  assert.deepEqual(shape, [32, 32, 16]);
  return [0, 1].map((label) => labels.filter((value) => value === label).length);
}
