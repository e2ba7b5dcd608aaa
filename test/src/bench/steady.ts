/**
 * Does anything grow? Four workers on real CT, a thousand steps until everything has what it needs, then a thousand
 * and more in which it is watched: memory and handles of every process and the memory of both servers, as lines
 * fitted through what was seen. Exit code 1 where one of them rises. (Tensors are counted in the engine's own tests.)
 *
 *   npm run bench steady [folder of a dataset=../shared/data/lits-real/tiny] [steps=3000] [slices=4]
 *
 * With 16 slices an epoch of the default dataset is one step, and every step asks for a checkpoint.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '@lvnet/core';
import { connectRedis } from '@lvnet/redis';
import { startTestCluster } from '../support/cluster.js';
import { repository } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { say, writeResult } from './support.js';

const [root = join(repository, '../shared/data/lits-real/tiny'), stepText = '3000', sliceText = '4'] =
  process.argv.slice(2);
const steps = Number(stepText);
const warmSteps = steps / 3;
const sampleEveryMs = 500;
const limitMs = 1_800_000;

/** What may rise in a thousand steps by noise alone: a share of the mean, or so many. */
const noise: Record<Kind, (mean: number) => number> = {
  'resident MiB': (mean) => 0.05 * mean,
  'server MiB': (mean) => 0.05 * mean,
  handles: () => 1,
};
type Kind = 'resident MiB' | 'server MiB' | 'handles';

interface Series {
  name: string;
  kind: Kind;
  at: { step: number; value: number }[];
}

interface Line {
  name: string;
  kind: Kind;
  mean: number;
  /** Of the fitted line, over a thousand steps. */
  rise: number;
  samples: number;
  flat: boolean;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-steady-'));
  try {
    const startMs = performance.now();
    const series = await watch(folder);
    const seconds = (performance.now() - startMs) / 1000;
    const lines = series.map(lineThrough);
    for (const { name, kind, mean, rise, flat } of lines) {
      const figures = `${mean.toFixed(2).padStart(8)} ${(rise < 0 ? '' : '+') + rise.toFixed(2)} per 1,000 steps`;
      say(`${name.padEnd(22)} ${kind.padEnd(13)} ${figures}${flat ? '' : '  RISES'}`);
    }
    const flat = lines.every((line) => line.flat);
    if (!flat) process.exitCode = 1;
    await writeResult(sliceText === '4' ? 'steady' : `steady-${sliceText}`, {
      ...{ steps, workers: 4, slices: Number(sliceText) },
      seconds: Math.round(seconds),
      flat,
      lines,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs it all, and looks at everything as it goes. */
async function watch(folder: string): Promise<Series[]> {
  const split = await splitOfOne(root);
  await using cluster = await startTestCluster(join(folder, 'cluster'));
  const coordinator = await cluster.startCoordinator();
  const names = ['w1', 'w2', 'w3', 'w4'];
  const workers = await Promise.all(names.map((name) => cluster.startWorker(name)));
  const run = await cluster.submit(
    tinyExperiment(root, {
      ...{ epochs: steps, batch: 4, shards: 4, everySteps: 100, workers: 4 },
      patch: [Number(sliceText), 32, 32],
    }),
    split,
  );
  const all = new Map<string, Series>();
  const add = (name: string, kind: Kind, step: number, value: number) => {
    const key = `${name} ${kind}`;
    const series = all.get(key) ?? { name, kind, at: [] };
    all.set(key, series);
    series.at.push({ step, value });
  };
  for (;;) {
    const { step, state } = await cluster.until(run, 'a sample', limitMs, () => true);
    if (step >= steps || state === 'done') break;
    for (const { name, pid } of [coordinator, ...workers]) {
      const [trainer] = childrenOf(pid);
      // A trainer is there as long as its run.
      if (trainer !== undefined && step > 0) addProcess(`${name}'s trainer`, trainer, step, add);
      addProcess(name, pid, step, add);
    }
    for (const which of ['control', 'tensors'] as const)
      add(`${which} Redis`, 'server MiB', step, (await usedBytes(cluster[which].url)) / 2 ** 20);
    await sleep(sampleEveryMs);
  }
  return [...all.values()];
}

type Add = (name: string, kind: Kind, step: number, value: number) => void;

function addProcess(name: string, pid: number, step: number, add: Add): void {
  try {
    const [, kib = '0'] =
      /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1')) ?? [];
    add(name, 'resident MiB', step, Number(kib) / 1024);
    add(name, 'handles', step, readdirSync(`/proc/${String(pid)}/fd`).length);
  } catch {
    return; // it ends just now
  }
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${String(pid)}/task/${String(pid)}/children`;
  return readFileSync(path, 'latin1').trim().split(' ').filter(Boolean).map(Number);
}

async function usedBytes(url: string): Promise<number> {
  const redis = await connectRedis(url, { role: 'command', name: 'lvnet-test' });
  const info = await redis.info('memory');
  redis.disconnect();
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0);
}

/** Least squares through what was seen once everything was warm. */
function lineThrough({ name, kind, at }: Series): Line {
  const warm = at.filter(({ step }) => step >= warmSteps);
  const count = warm.length;
  const meanOf = (of: (sample: { step: number; value: number }) => number) =>
    warm.reduce((sum, sample) => sum + of(sample), 0) / count;
  const [middle, mean] = [meanOf(({ step }) => step), meanOf(({ value }) => value)];
  const spread = meanOf(({ step }) => (step - middle) ** 2);
  const rise = (meanOf(({ step, value }) => (step - middle) * (value - mean)) / spread) * 1_000;
  // Too few samples prove nothing.
  return { name, kind, mean, rise, samples: count, flat: count >= 20 && rise <= noise[kind](mean) };
}

await main();
