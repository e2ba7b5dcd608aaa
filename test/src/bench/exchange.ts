// npm run bench exchange [ROUNDS]: a gradient of LV-Net's size averaged among processes, against PyTorch's all_reduce over Gloo.
import { fork, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startPrivateRedis } from '@lvnet/redis';
import { repository } from '../support/data.js';
import { findTorchPython } from './pytorch.js';
import { milliseconds, say, spread, writeResult, type Spread } from './support.js';

/** float32 elements: LV-Net's 1,659,282 parameters, 6.64 MB. */
const length = 1_659_282;
const blocks = 3;
/** The first rounds of a block warm up. */
const warm = 3;
const rounds = Number(process.argv[2] ?? 20);

interface Times {
  seconds: number[];
  check: number;
}

const kinds = ['gloo', 'float32', 'bf16'] as const;
type Kind = (typeof kinds)[number];

const folder = await mkdtemp(join(tmpdir(), 'lvnet-bench-'));
const redis = await startPrivateRedis({ dir: folder });
const python = await findTorchPython();
const table: Record<string, Record<Kind, Spread>> = {};
try {
  for (const members of [2, 4, 8]) {
    const seconds: Record<Kind, number[]> = { gloo: [], float32: [], bf16: [] };
    for (let block = 0; block < blocks; block++)
      for (const kind of kinds) seconds[kind].push(...(await measure(kind, members)));
    const found = {
      gloo: spread(seconds.gloo),
      float32: spread(seconds.float32),
      bf16: spread(seconds.bf16),
    };
    table[String(members)] = found;
    const ratio = (kind: Kind) => (found[kind].median / found.gloo.median).toFixed(2);
    say(
      `${String(members)} processes: Gloo ${milliseconds(found.gloo.median)}, float32 ${milliseconds(found.float32.median)} (${ratio('float32')}), bf16 ${milliseconds(found.bf16.median)} (${ratio('bf16')})`,
    );
  }
  await writeResult('exchange', { length, rounds, seconds: table });
} finally {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Seconds of each round, that of the slowest process; the sum is checked first. */
async function measure(kind: Kind, members: number): Promise<number[]> {
  const ranks = Array.from({ length: members }, (_, rank) => rank);
  const port = await freePort();
  const run = `bench-${String(performance.now())}`;
  const times = await Promise.all(
    ranks.map((rank) => (kind === 'gloo' ? gloo(rank, members, port) : ours(rank, members, kind, run))),
  );
  const expected = ranks.reduce((sum, rank) => sum + (((12_345 * 31 + rank * 17) % 256) - 128), 0);
  for (const { check } of times)
    if (check !== expected) throw new Error(`${kind}: ${String(check)} instead of ${String(expected)}`);
  return Array.from({ length: rounds }, (_, round) =>
    Math.max(...times.map(({ seconds }) => seconds[round] ?? 0)),
  ).slice(warm);
}

async function ours(rank: number, members: number, wire: 'float32' | 'bf16', run: string): Promise<Times> {
  const settings = { url: redis.socketUrl, run, worker: `m${String(rank)}`, members, length, wire, rounds };
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
