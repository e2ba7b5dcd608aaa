import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '@lvnet/core';
import { connectRedis, startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import type { ExchangeFact } from './messages.js';

/** What a member says of a step. */
interface Step {
  step: number;
  sha: string;
  computed: number[];
  members: number;
}

export interface MemberProcess {
  child: ChildProcess;
  steps: Step[];
  facts: ExchangeFact[];
  failures: string[];
  /** What its failures said. */
  words: string[];
  end: Promise<string>;
}

interface Said {
  kind: string;
  sha?: string;
  fact?: ExchangeFact;
  code?: string;
  message?: string;
}

interface Case {
  shards: number;
  /** A member's own. */
  version?: string;
  length?: number;
  steps?: number;
  wire?: 'float32' | 'bf16';
  wanted: number;
  stepMs?: number;
  gatherMs?: number;
  leaseMs?: number;
  /** Default: true. */
  sharedMemory?: boolean;
}
const fixture = fileURLToPath(new URL('./member.fixture.js', import.meta.url));

/** Members in processes of their own, on a Redis of the suite's that is empty before each test. */
export interface MemberProcesses {
  redis: () => PrivateRedis;
  newFolder: () => Promise<string>;
  start: (worker: string, where: string, o: Case) => MemberProcess;
  /** SHA-256 of the weights that one member by itself comes to. */
  alone: (o: Case) => Promise<string>;
  /** @throws after 30 s */
  reaches: (member: MemberProcess, step: number) => Promise<void>;
}

/** For a suite: starts the server before it, and leaves nothing after it. */
export function memberProcesses(): MemberProcesses {
  let folder = '';
  let redis: PrivateRedis;
  let cases = 0;
  const running = new Set<ChildProcess>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lvnet-x-'));
    redis = await startPrivateRedis({ dir: join(folder, 'r') });
  });
  after(async () => {
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const child of running) child.kill('SIGKILL');
    running.clear();
    const client = await connectRedis(redis.url, { role: 'command', name: 'test' });
    await client.flushall();
    client.disconnect();
  });

  async function newFolder(): Promise<string> {
    const path = join(folder, String(cases++));
    await mkdir(path);
    return path;
  }

  function start(worker: string, where: string, o: Case): MemberProcess {
    const settings = {
      length: 1_003,
      steps: 30,
      wire: 'float32',
      stepMs: 0,
      gatherMs: 20_000,
      ...o,
      url: redis.socketUrl,
      worker,
      folder: where,
    };
    const child = fork(fixture, [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    running.add(child);
    const member: Omit<MemberProcess, 'end'> = { child, steps: [], facts: [], failures: [], words: [] };
    const end = new Promise<string>((resolve, reject) => {
      child.on('message', (message) => {
        const said = message as Said;
        if (said.kind === 'step') member.steps.push(message as Step);
        if (said.kind === 'fact' && said.fact !== undefined) member.facts.push(said.fact);
        if (said.kind === 'failure') member.failures.push(said.code ?? '');
        if (said.kind === 'failure') member.words.push(said.message ?? '');
        if (said.kind === 'end') resolve(said.sha ?? '');
      });
      child.on('exit', (code, signal) => {
        reject(new Error(`member ended: ${String(code)} ${String(signal)}`));
      });
    });
    end.catch(() => undefined);
    return { ...member, end };
  }

  const expected = new Map<string, string>();
  async function alone(o: Case): Promise<string> {
    const { wanted: _wanted, stepMs: _stepMs, gatherMs: _gatherMs, ...content } = o;
    const name = JSON.stringify(content);
    const known = expected.get(name);
    if (known !== undefined) return known;
    const sha = await start('alone', await newFolder(), { ...o, wanted: 1, stepMs: 0 }).end;
    expected.set(name, sha);
    return sha;
  }

  async function reaches(member: MemberProcess, step: number): Promise<void> {
    const endMs = performance.now() + 30_000;
    while ((member.steps.at(-1)?.step ?? 0) < step) {
      assert.ok(performance.now() < endMs, `step ${String(step)} was not reached`);
      await sleep(10);
    }
  }

  return { redis: () => redis, newFolder, start, alone, reaches };
}

/** How often a member gave somebody up. */
export const lost = (member: MemberProcess) =>
  member.facts.filter((fact) => fact.kind === 'view' && fact.reason === 'lost').length;
