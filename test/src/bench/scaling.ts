/**
 * What a second worker brings: steps of LV-Net on [2, 16, 128, 128] in two shards, by one worker and by two, each with
 * one core, in turn on one cluster. Both must come to the same weights.
 *
 *   npm run bench scaling [size=128] [steps=12] [rounds=3]
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseExperiment, type Experiment } from '@lvnet/experiments';
import { writePhantomDataset } from '@lvnet/volumes';
import { startTestCluster } from '../support/cluster.js';
import { splitOfOne } from '../support/experiments.js';
import { weightsAtEnd } from '../support/outcome.js';
import { gapsMs, watchSteps } from '../support/step-times.js';
import { milliseconds, say, spread, writeResult } from './support.js';

const [size = 128, steps = 12, rounds = 3] = process.argv.slice(2).map(Number);
/** The first steps of a run prepare and warm up. */
const warmSteps = 2;
/** Steps take a second: who watches must not need the second core. */
const lookEveryMs = 200;
const limitMs = 600_000;

const experimentFor = (root: string, workers: number): Experiment =>
  parseExperiment(
    JSON.stringify({
      name: 'scaling',
      seed: 1,
      data: {
        root,
        split: { train: 1, validation: 0, test: 0 },
        patch: [16, size, size],
        windowHu: [-200, 200],
      },
      network: { name: 'lv-net' },
      training: { batch: 2, shards: 2, epochs: steps },
      workers: { min: workers, max: workers, engine: 'native' },
    }),
  );

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-scaling-'));
  try {
    const root = join(folder, 'scans');
    await writePhantomDataset({ out: root, cases: 1, shape: [32, size, size], seed: 1 });
    const split = await splitOfOne(root);
    await using cluster = await startTestCluster(join(folder, 'cluster'));
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    const weights = new Set<string>();
    const seconds = new Map<number, number[]>([
      [1, []],
      [2, []],
    ]);
    const train = async (workers: number) => {
      const run = await cluster.submit(experimentFor(root, workers), split, { again: true });
      await using times = watchSteps(cluster.registry, run, lookEveryMs);
      weights.add(await weightsAtEnd(cluster, run, limitMs));
      const warm = times.commits().filter(({ step }) => step > warmSteps);
      seconds.get(workers)?.push(...gapsMs(warm, 0).map((ms) => ms / 1_000));
    };
    for (let round = 0; round < rounds; round++) {
      await train(1);
      const second = await cluster.startWorker('w2');
      await train(2);
      await second.stop();
    }
    assert.equal(weights.size, 1, 'the same weights by one worker and by two');
    const [one, two] = [spread(seconds.get(1) ?? []), spread(seconds.get(2) ?? [])];
    const gain = one.median / two.median;
    say(`one worker   ${milliseconds(one.median)} for a step (${milliseconds(one.min)} at best)`);
    say(`two workers  ${milliseconds(two.median)} for a step (${milliseconds(two.min)} at best)`);
    say(`${gain.toFixed(2)} times the samples per second (${(one.min / two.min).toFixed(2)} at best)`);
    await writeResult('scaling', { size, steps, rounds, one, two, gain });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
