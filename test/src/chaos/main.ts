// npm run chaos -- [--minutes M] [--workers N] [--seed S]: kills at random, and compares what comes out.
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { sleep } from '@lvnet/core';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { startTestCluster, type TestCluster } from '../support/cluster.js';
import { phantoms, splitOfOne, tinyExperiment } from '../support/experiments.js';
import { weightsAtEnd } from '../support/outcome.js';
import { createRandom } from '../simulation/world.js';
import { createStrikes, type StrikeKind } from './strikes.js';
import { faultTable, type Struck } from './fault-table.js';

const usage = `Usage: npm run chaos -- [--minutes M] [--workers N] [--seed S]

Trains a small LV-Net again and again on a cluster of real processes, strikes it at random, and compares the
weights of every run with those of an undisturbed one. Exit code 1 where they differ or a run stands still.

  --minutes M   how long (default 10)
  --workers N   workers of the cluster, 2 or more (default 4)
  --seed S      which faults, and when (default: drawn)
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    workers: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h' },
  },
});
const runLimitMs = 300_000;
const stallLimitMs = 60_000;

if (values.help === true) process.stdout.write(usage);
else await main(Number(values.minutes), Number(values.workers), Number(values.seed));

async function main(minutes: number, workers: number, seed: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-chaos-'));
  try {
    await using cluster = await startTestCluster(join(folder, 'cluster'));
    const root = await phantoms(join(folder, 'data'));
    const experiment = tinyExperiment(root, { epochs: 100, batch: 8, shards: 8, everySteps: 10, workers });
    const split = await splitOfOne(root);
    const random = createRandom(seed);
    const strikes = await createStrikes(cluster, workers, random);
    say(`seed ${String(seed)}, ${String(workers)} workers; first a run that nothing disturbs`);
    const undisturbed = await weightsAtEnd(cluster, await cluster.submit(experiment, split), runLimitMs);
    say(`weights ${undisturbed}`);
    const struck = await disturb({ cluster, experiment, split, undisturbed, minutes, random, strikes });
    say(faultTable(struck));
    const bad = struck.filter((item) => item.recoverySeconds === null);
    if (bad.length > 0) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Parts {
  cluster: TestCluster;
  experiment: Experiment;
  split: RunSplit;
  undisturbed: string;
  minutes: number;
  random: ReturnType<typeof createRandom>;
  strikes: { kinds: readonly StrikeKind[]; strike(kind: StrikeKind): Promise<void> };
}

async function disturb(parts: Parts): Promise<Struck[]> {
  const { cluster, undisturbed, minutes } = parts;
  const endMs = performance.now() + minutes * 60_000;
  const struck: Struck[] = [];
  let runs = 0;
  while (performance.now() < endMs) {
    const run = await cluster.submit(parts.experiment, parts.split, { again: true });
    struck.push(...(await strikeRun(parts, run)));
    const weights = await weightsAtEnd(cluster, run, runLimitMs);
    runs++;
    say(`run ${String(runs)}: ${weights === undisturbed ? 'the same weights' : `OTHER WEIGHTS ${weights}`}`);
    if (weights !== undisturbed) process.exitCode = 1;
  }
  say(`${String(runs)} runs, ${String(struck.length)} faults`);
  return struck;
}

/** Strikes as long as the run goes on. */
async function strikeRun({ cluster, random, strikes }: Parts, run: string): Promise<Struck[]> {
  const struck: Struck[] = [];
  await cluster.until(run, 'the run begins', runLimitMs, (s) => s.step >= 2);
  for (;;) {
    await sleep(random.between(500, 5_000));
    const before = await cluster.until(run, 'its status', stallLimitMs, () => true);
    if (before.state !== 'running' || before.step > 85) return struck;
    const kind = random.pick(strikes.kinds);
    const startMs = performance.now();
    await strikes.strike(kind);
    const after = await cluster
      .until(
        run,
        `it goes on after: ${kind}`,
        stallLimitMs,
        (s) => s.step > before.step + 1 || s.state !== 'running',
      )
      .catch(() => undefined);
    const seconds = (performance.now() - startMs) / 1_000;
    struck.push({ kind, step: before.step, recoverySeconds: after === undefined ? null : seconds });
    say(
      `step ${String(before.step)}: ${kind}; ${after === undefined ? 'STANDS STILL' : `${seconds.toFixed(1)} s until two steps later`}`,
    );
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
