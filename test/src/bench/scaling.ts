/**
 * What a second worker brings: steps of LV-Net on [shards, 16, 128, 128], one sample in each shard, by one worker and by
 * two, each with one core, in turn on one cluster. Both must come to the same weights. Of few shards the slower worker
 * decides, of many both even out. Two workers with a run each, which know nothing of each other, show what the machine
 * has to give.
 *
 *   npm run bench scaling [size=128] [steps=12] [rounds=3] [shards=2]
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
import { gapsMs, watchSteps, type Commit } from '../support/step-times.js';
import { milliseconds, say, spread, writeResult } from './support.js';

const [size = 128, steps = 12, rounds = 3, shards = 2] = process.argv.slice(2).map(Number);
/** The first steps of a run prepare and warm up. */
const warmSteps = 2;
/** Steps take a second at least: who watches must not need the second core. */
const lookEveryMs = 200;
const limitMs = 600_000;

const experimentFor = (root: string, workers: number, seed = 1): Experiment =>
  parseExperiment(
    JSON.stringify({
      name: 'scaling',
      seed,
      data: {
        root,
        split: { train: 1, validation: 0, test: 0 },
        patch: [16, size, size],
        windowHu: [-200, 200],
      },
      network: { name: 'lv-net' },
      training: { batch: shards, shards, epochs: steps },
      workers: { min: workers, max: workers, engine: 'native' },
    }),
  );

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-scaling-'));
  try {
    const root = join(folder, 'scans');
    await writePhantomDataset({ out: root, cases: 1, shape: [16 * shards, size, size], seed: 1 });
    const split = await splitOfOne(root);
    await using cluster = await startTestCluster(join(folder, 'cluster'));
    await cluster.startCoordinator();
    await cluster.startWorker('w1');
    const weights = new Set<string>();
    const train = async (experiment: Experiment) => {
      const run = await cluster.submit(experiment, split, { again: true });
      await using times = watchSteps(cluster.registry, run, lookEveryMs);
      const sha256 = await weightsAtEnd(cluster, run, limitMs);
      return { sha256, commits: times.commits().filter(({ step }) => step > warmSteps) };
    };
    const seconds = { one: [] as number[], two: [] as number[], apart: [] as number[] };
    const add = (to: number[], commits: readonly Commit[], untilMs?: number) => {
      to.push(...gapsMs(commits, 0, untilMs).map((ms) => ms / 1_000));
    };
    for (let round = 0; round < rounds; round++) {
      const alone = await train(experimentFor(root, 1));
      add(seconds.one, alone.commits);
      const second = await cluster.startWorker('w2');
      const together = await train(experimentFor(root, 2));
      add(seconds.two, together.commits);
      for (const { sha256 } of [alone, together]) weights.add(sha256);
      const apart = await Promise.all([1, 2].map((seed) => train(experimentFor(root, 1, seed))));
      const bothMs = Math.min(...apart.map(({ commits }) => commits.at(-2)?.atMs ?? 0));
      for (const { commits } of apart) add(seconds.apart, commits, bothMs);
      await second.stop();
    }
    assert.equal(weights.size, 1, 'the same weights by one worker and by two');
    const [one, two, apart] = [spread(seconds.one), spread(seconds.two), spread(seconds.apart)];
    const gain = one.median / two.median;
    const most = (2 * one.median) / apart.median;
    say(`one worker   ${milliseconds(one.median)} for a step (${milliseconds(one.min)} at best)`);
    say(`two workers  ${milliseconds(two.median)} for a step (${milliseconds(two.min)} at best)`);
    say(`two runs     ${milliseconds(apart.median)} for a step of each (${milliseconds(apart.min)} at best)`);
    say(
      `${gain.toFixed(2)} times the samples per second (${(one.min / two.min).toFixed(2)} at best), of ${most.toFixed(2)} in two runs`,
    );
    const name = shards === 2 ? 'scaling' : `scaling-${String(shards)}`;
    await writeResult(name, { size, steps, rounds, shards, one, two, apart, gain, most });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
