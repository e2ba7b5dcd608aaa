// npm run bench exchange [ROUNDS]: a gradient of LV-Net's size averaged among processes, against PyTorch's all_reduce over Gloo.
import { fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startPrivateRedis } from '@lvnet/redis';
import { freePort } from '@lvnet/store/testing';
import { repository } from '../support/data.js';
import { findTorchPython } from './pytorch.js';
import { milliseconds, say, spread, writeResult, type Spread } from './support.js';

/** float32 elements: LV-Net's 1,659,282 parameters, 6.64 MB. */
const length = 1_659_282;
const blocks = 3;
const rounds = Number(process.argv[2] ?? 600);
/**
 * The first half of a block warms up: ours is compiled while it runs, and costs twice as much until that is done; a
 * training has thousands of rounds.
 */
const warm = rounds >> 1;

interface Times {
  seconds: number[];
  /** Processor time of one round. */
  cpuSeconds: number;
  check: number;
}

/** Ours through memory that the members share, as they do on one machine, and through the server alone. */
const kinds = ['gloo', 'float32', 'bf16', 'float32 by server', 'bf16 by server'] as const;
type Kind = (typeof kinds)[number];

interface Figures {
  /** Of a round, the slowest process's. */
  seconds: Spread;
  /** All processes', the server's included. */
  cpuSeconds: number;
}

const folder = await mkdtemp(join(tmpdir(), 'lvnet-bench-'));
const redis = await startPrivateRedis({ dir: folder });
const python = await findTorchPython();
const table: Record<string, Record<string, Figures>> = {};
const loads = [loadavg()[0]];
try {
  for (const members of [2, 4, 8]) {
    const found = new Map(
      kinds.map((kind) => [kind, { seconds: [] as number[], cpuSeconds: [] as number[] }]),
    );
    for (let block = 0; block < blocks; block++) {
      for (const kind of kinds) {
        const { seconds, cpuSeconds } = await measure(kind, members);
        found.get(kind)?.seconds.push(...seconds);
        found.get(kind)?.cpuSeconds.push(cpuSeconds);
      }
    }
    const figures = Object.fromEntries(
      [...found].map(([kind, { seconds, cpuSeconds }]) => [
        kind,
        { seconds: spread(seconds), cpuSeconds: spread(cpuSeconds).median },
      ]),
    ) as Record<Kind, Figures>;
    table[String(members)] = figures;
    loads.push(loadavg()[0]);
    say(`${String(members)} processes, load ${(loads.at(-1) ?? 0).toFixed(1)}`);
    for (const kind of kinds) {
      const { seconds, cpuSeconds } = figures[kind];
      const ratio = (part: 'median' | 'min') => (seconds[part] / figures.gloo.seconds[part]).toFixed(2);
      const times = `median ${milliseconds(seconds.median)} (${ratio('median')}), least ${milliseconds(seconds.min)} (${ratio('min')})`;
      say(`  ${kind.padEnd(18)} ${times}, processor ${milliseconds(cpuSeconds)}`);
    }
  }
  await writeResult('exchange', { length, rounds, warm, blocks, loads, figures: table });
} finally {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Seconds of each round, that of the slowest process; the sum is checked first. */
async function measure(kind: Kind, members: number): Promise<{ seconds: number[]; cpuSeconds: number }> {
  const ranks = Array.from({ length: members }, (_, rank) => rank);
  const port = await freePort();
  const run = `bench-${String(performance.now())}`;
  const serverBefore = serverSeconds();
  const times = await Promise.all(
    ranks.map((rank) => (kind === 'gloo' ? gloo(rank, members, port) : ours(rank, members, kind, run))),
  );
  const server = kind === 'gloo' ? 0 : (serverSeconds() - serverBefore) / rounds;
  const expected = ranks.reduce((sum, rank) => sum + (((12_345 * 31 + rank * 17) % 256) - 128), 0);
  for (const { check } of times)
    if (check !== expected) throw new Error(`${kind}: ${String(check)} instead of ${String(expected)}`);
  const seconds = Array.from({ length: rounds }, (_, round) =>
    Math.max(...times.map((time) => time.seconds[round] ?? 0)),
  ).slice(warm);
  return { seconds, cpuSeconds: times.reduce((sum, time) => sum + time.cpuSeconds, server) };
}

/** Processor time of the server so far. */
function serverSeconds(): number {
  const fields =
    readFileSync(`/proc/${String(redis.pid)}/stat`, 'latin1')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function ours(rank: number, members: number, kind: Kind, run: string): Promise<Times> {
  const wire = kind.startsWith('bf16') ? 'bf16' : 'float32';
  const sharedMemory = !kind.endsWith('by server');
  const worker = `m${String(rank)}`;
  const settings = { url: redis.socketUrl, run, worker, members, length, wire, rounds, sharedMemory };
  const child = fork(fileURLToPath(new URL('./exchange-member.js', import.meta.url)), [
    JSON.stringify(settings),
  ]);
  const [times] = (await once(child, 'message')) as [Times];
  await once(child, 'exit');
  return times;
}

async function gloo(rank: number, members: number, port: number): Promise<Times> {
  const script = join(repository, 'test/src/bench/exchange_gloo.py');
  const args = [rank, members, port, length, rounds].map(String);
  const child = spawn(python, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  await once(child, 'close');
  return JSON.parse(text) as Times;
}
