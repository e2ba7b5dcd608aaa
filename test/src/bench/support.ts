import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { repository } from '../support/data.js';

/** Seconds (or whatever was measured) of several rounds. */
export interface Spread {
  min: number;
  median: number;
  max: number;
  rounds: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  return { min: at(0), median: at(sorted.length >> 1), max: at(sorted.length - 1), rounds: sorted.length };
}

/** Of one call: by the clock, and of the processor on all threads. */
export interface Times {
  seconds: number;
  cpuSeconds: number;
}

export function timed(run: () => unknown): Times {
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  run();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Calls each function once per round, in turn, after one call that warms up. */
export async function interleaved<N extends string>(
  runs: Record<N, () => Promise<void> | void>,
  rounds: number,
): Promise<Record<N, Spread>> {
  const names = Object.keys(runs) as N[];
  const seconds = new Map<N, number[]>(names.map((name) => [name, []]));
  for (const name of names) await runs[name]();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const startMs = performance.now();
      await runs[name]();
      seconds.get(name)?.push((performance.now() - startMs) / 1000);
    }
  }
  return Object.fromEntries(names.map((name) => [name, spread(seconds.get(name) ?? [])])) as Record<
    N,
    Spread
  >;
}

/** Peak resident memory of this process so far. */
export const peakRssMiB = (): number => process.resourceUsage().maxRSS / 1024;

/** Writes test/bench/results/<name>.json: the figures with the hardware they were measured on. */
export async function writeResult(name: string, figures: Record<string, unknown>): Promise<void> {
  const folder = join(repository, 'test/bench/results');
  await mkdir(folder, { recursive: true });
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const result = { measuredAt: new Date().toISOString(), machine, ...figures };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
