/**
 * The promise itself, as a table: the SHA-256 of the weights after 200 steps of a small LV-Net on real CT, batch
 * 16 in 16 shards, for 1 to 8 workers, one and two threads, with 20 random faults, and after everything was
 * killed half-way, over both wire formats. Exit code 1 where a wire has more than one.
 *
 *   npm run bench same-bytes [folder of a dataset=../shared/data/lits-real/tiny] [steps=200] [seed=1]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { createStrikes } from '../chaos/strikes.js';
import { createRandom } from '../simulation/world.js';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { repository } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { weightsAtEnd } from '../support/outcome.js';
import { say, writeResult } from './support.js';

const [root = join(repository, '../shared/data/lits-real/tiny'), stepText = '200', seedText = '1'] =
  process.argv.slice(2);
const steps = Number(stepText);
const wires = ['float32', 'bf16'] as const;
const faultCount = 20;
const limitMs = 900_000;

interface Case {
  name: string;
  workers: number;
  threads: number;
  /** What is done to the run on its way; returns how many faults struck. */
  disturb?: (cluster: TestCluster, run: string) => Promise<number>;
  /** Starts everything; default: a coordinator and the workers. */
  start?: (cluster: TestCluster) => Promise<void>;
}

const startWorkers = async (cluster: TestCluster, count: number, threads: number): Promise<void> => {
  const args = (name: string) => ['worker', '--name', name, '--threads', String(threads), '--port', '0'];
  for (let i = 1; i <= count; i++) await cluster.start(`w${String(i)}`, args(`w${String(i)}`));
};

const cases: Case[] = [
  ...[1, 2, 3, 4, 8].map((workers) => ({ name: `${String(workers)} workers`, workers, threads: 1 })),
  { name: '2 workers, 2 threads each', workers: 2, threads: 2 },
  withFaults(),
  withEverythingKilled(),
];

/** Twenty faults drawn at random, spread over the run. */
function withFaults(): Case {
  const random = createRandom(Number(seedText));
  let strikes: Awaited<ReturnType<typeof createStrikes>>;
  return {
    ...{ name: `4 workers, ${String(faultCount)} faults`, workers: 4, threads: 1 },
    async start(cluster) {
      strikes = await createStrikes(cluster, 4, random);
    },
    async disturb(cluster, run) {
      for (let i = 0; i < faultCount; i++) {
        const from = Math.floor(((i + 0.5) * steps) / (faultCount + 1));
        await cluster.until(run, `step ${String(from)}`, limitMs, (s) => s.step >= from);
        await strikes.strike(random.pick(strikes.kinds));
      }
      return faultCount;
    },
  };
}

/** Half-way all workers are killed and the tensor server comes back empty: only the checkpoints are left. */
function withEverythingKilled(): Case {
  const workers: Awaited<ReturnType<TestCluster['startWorker']>>[] = [];
  const begin = async (cluster: TestCluster) => {
    for (const name of ['w1', 'w2']) workers.push(await cluster.startWorker(name));
  };
  return {
    ...{ name: '2 workers, resumed from a checkpoint', workers: 2, threads: 1 },
    async start(cluster) {
      await cluster.startCoordinator();
      await begin(cluster);
    },
    async disturb(cluster, run) {
      await cluster.until(run, 'half-way', limitMs, (s) => s.step >= steps / 2);
      for (const worker of workers.splice(0)) await worker.kill();
      await cluster.crashRedis('tensors', { downMs: 500, keeps: false });
      await begin(cluster);
      return 1;
    },
  };
}

async function main(): Promise<void> {
  const split = await splitOfOne(root);
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-same-bytes-'));
  const rows: { wire: string; case: string; sha256: string; faults: number; seconds: number }[] = [];
  try {
    for (const wire of wires) {
      for (const one of cases) {
        const startMs = performance.now();
        const where = join(folder, String(rows.length));
        const { sha256, faults } = await weightsOf(one, experimentFor(wire, one.workers), split, where);
        const seconds = Math.round((performance.now() - startMs) / 100) / 10;
        rows.push({ wire, case: one.name, sha256, faults, seconds });
        say(`${wire.padEnd(8)} ${one.name.padEnd(38)} ${sha256.slice(0, 16)} ${seconds.toFixed(1)} s`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const distinct = wires.map((wire) => new Set(rows.filter((row) => row.wire === wire).map((r) => r.sha256)));
  const same = distinct.every((shas) => shas.size === 1);
  say(same ? 'the same bytes on each wire' : 'OTHER BYTES');
  if (!same) process.exitCode = 1;
  await writeResult('same-bytes', { steps, seed: Number(seedText), same, rows });
}

/** One case of 64 slices is 16 blocks: an epoch is a step, and every shard has a sample. */
function experimentFor(wire: (typeof wires)[number], workers: number): Experiment {
  const small = tinyExperiment(root, {
    ...{ epochs: steps, batch: 16, shards: 16, everySteps: 25, workers },
    patch: [4, 32, 32],
  });
  return { ...small, exchange: { wire } };
}

async function weightsOf(
  one: Case,
  experiment: Experiment,
  split: RunSplit,
  folder: string,
): Promise<{ sha256: string; faults: number }> {
  await using cluster = await startTestCluster(folder);
  if (one.start !== undefined) await one.start(cluster);
  else {
    await cluster.startCoordinator();
    await startWorkers(cluster, one.workers, one.threads);
  }
  const run = await cluster.submit(experiment, split);
  const faults = (await one.disturb?.(cluster, run)) ?? 0;
  const sha256 = await weightsAtEnd(cluster, run, limitMs);
  const { step } = await cluster.until(run, 'the end', 5_000, () => true);
  if (step < steps) throw new Error(`${one.name} ended after ${String(step)} steps`);
  return { sha256, faults };
}

await main();
