import assert from 'node:assert/strict';
import { join } from 'node:path';
import { listCheckpoints } from '@lvnet/checkpoints';
import { hashDataset } from '@lvnet/coordinator';
import { parseExperiment, type Experiment, type RunSplit } from '@lvnet/experiments';
import { networkNames, type NetworkName } from '@lvnet/networks';
import { readLabelMap } from '@lvnet/volumes';
import { startTestCluster, type TestCluster, type TestProcess } from '../support/cluster.js';
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
  let calm: TestCluster;
  let hurt: TestCluster;
  before(async () => {
    const root = await phantoms(join(folder.path(), 'data'));
    const [first, second] = await hashDataset({}, root);
    assert.ok(first !== undefined && second !== undefined);
    data = { root, split: { train: [first, second], validation: [], test: [] } };
    calm = await startTestCluster(join(folder.path(), 'calm'));
    hurt = await startTestCluster(join(folder.path(), 'hurt'), {
      env: { LVNET_FAULTS: JSON.stringify(faults) },
    });
    for (const cluster of [calm, hurt]) await cluster.startCoordinator();
    await calm.startWorker('w0');
  });
  after(async () => {
    await calm[Symbol.asyncDispose]();
    await hurt[Symbol.asyncDispose]();
  });

  for (const name of networkNames) {
    it(`${name} trains with two workers that are killed, to the bytes of one worker, and predicts`, async () => {
      const experiment = experimentOf(name, data.root);
      const out = (what: string) => join(folder.path(), `${name}-${what}`);
      const alone = await calm.submit(experiment, data.split);
      const undisturbed = await finalOf(calm, alone, data.root, out('calm'));
      const run = await trainHurt(hurt, () => hurt.submit(experiment, data.split));
      assert.deepEqual(await finalOf(hurt, run.name, data.root, out('hurt')), undisturbed);
      await run.last.kill();
      assert.ok(undisturbed.losses.length > 0 && undisturbed.losses.every(Number.isFinite), 'losses');
      assert.ok(undisturbed.liverVoxels.every(Number.isInteger));
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

/** Neither gets beyond the step at which it dies, however often it begins anew. */
const faults = [
  { worker: 'w2', step: 6, kind: 'kill' },
  { worker: 'w1', step: 13, kind: 'kill' },
  { worker: 'w2', step: 13, kind: 'kill' },
];

/** The second of two workers dies, then the first or both; a third one resumes from the last checkpoint. */
async function trainHurt(
  cluster: TestCluster,
  submit: () => Promise<string>,
): Promise<{ name: string; last: TestProcess }> {
  const workers = [await cluster.startWorker('w1'), await cluster.startWorker('w2')];
  const name = await submit();
  const haveDied = () => workers.every((worker) => /fault kill at step \d+ of w\d/.test(worker.stderr()));
  await cluster.until(name, 'both die', 120_000, haveDied);
  for (const worker of workers) await worker.kill();
  return { name, last: await cluster.startWorker('w3') };
}

/** What is left at the end: of the weights, of the losses, and of a scan that the network has not seen. */
async function finalOf(
  cluster: TestCluster,
  run: string,
  root: string,
  out: string,
): Promise<{ sha256: string; digest: string; losses: number[]; liverVoxels: number[] }> {
  const last = await cluster.until(run, 'the run ends', 300_000, ({ state }) => state === 'done');
  assert.ok(last.step >= steps);
  const final = (await listCheckpoints(cluster.store, run)).find(({ step }) => step === last.step);
  const weights = final?.files.find((file) => file.name === 'weights.safetensors');
  assert.ok(final !== undefined && weights !== undefined);
  const losses = Object.values(last.losses ?? {});
  const liverVoxels = await predicted(`${run}@last`, cluster.store.url, root, out);
  return { sha256: weights.sha256, digest: final.digest, losses, liverVoxels };
}

async function predicted(checkpoint: string, store: string, root: string, out: string): Promise<number[]> {
  const input = join(root, 'volume-3.nii.gz');
  const args = ['predict', '--checkpoint', checkpoint, '--store', store, '--input', input, '--out', out];
  const { code, stderr } = await lvnet([...args, '--engine', 'native']);
  assert.equal(code, 0, stderr);
  const { labels, shape } = await readLabelMap(join(out, 'segmentation-3.nii.gz'));
  assert.deepEqual(shape, [32, 32, 16]);
  return [0, 1].map((label) => labels.filter((value) => value === label).length);
}
