import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sleep } from '@lvnet/core';
import { readStatus, submitRun, type RunStatus, type SubmitContext } from '@lvnet/coordinator';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { openRegistry, type Registry } from '@lvnet/queue';
import { connectRedis, startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import { openStore, type Store } from '@lvnet/store';
import { lvnetPath } from './lvnet.js';
import { pauseAfterLook } from './until.js';

/** Real processes of a whole cluster; unlike `lvnet up` it restarts nothing by itself. */
export interface TestCluster extends AsyncDisposable {
  store: Store;
  registry: Registry;
  readonly control: PrivateRedis;
  readonly tensors: PrivateRedis;
  /** What the cluster's processes see; for commands that join in. */
  env: NodeJS.ProcessEnv;
  start(name: string, args: readonly string[]): Promise<TestProcess>;
  startCoordinator(name?: string): Promise<TestProcess>;
  startWorker(name: string, env?: NodeJS.ProcessEnv): Promise<TestProcess>;
  submit(experiment: Experiment, split: RunSplit, o?: { again?: boolean }): Promise<string>;
  /**
   * SIGKILL to a server; after a while one comes back at the same address, empty or with all it had. Gives the
   * time at which it was killed.
   */
  crashRedis(which: 'control' | 'tensors', o: { downMs: number; keeps: boolean }): Promise<number>;
  /** Everything that all processes said so far. */
  stderr(): string;
  /** Waits for a status that satisfies the condition; fails when the run fails first. */
  until(
    run: string,
    what: string,
    limitMs: number,
    holds: (status: RunStatus) => boolean | Promise<boolean>,
  ): Promise<RunStatus>;
  /**
   * The status at the end and, by name, every worker that was a member on the way, and how many were at one time;
   * asked of the run's progress, which stays, since a run may end between two looks.
   */
  untilDone(run: string, limitMs: number): Promise<{ last: RunStatus; members: string[]; most: number }>;
  context(): Promise<SubmitContext>;
}

export interface TestProcess {
  name: string;
  pid: number;
  child: ChildProcess;
  /** Port of a coordinator's page and metrics, once it listens. */
  port: Promise<number>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end and waits; its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  stderr(): string;
}

export interface ClusterOptions {
  /** Default: a directory in the folder. */
  storeUrl?: string;
  env?: NodeJS.ProcessEnv;
  /**
   * Each shard takes so much longer, in which the processors are free: a run lasts as long as what is to happen in
   * it needs, not as long as it keeps the machine busy.
   */
  shardMs?: number;
}

export async function startTestCluster(folder: string, o: ClusterOptions = {}): Promise<TestCluster> {
  await mkdir(folder, { recursive: true });
  const servers = {
    control: await startPrivateRedis({ dir: join(folder, 'rc'), aof: true }),
    tensors: await startPrivateRedis({ dir: join(folder, 'rt') }),
  };
  const { control, tensors } = servers;
  const storeUrl = o.storeUrl ?? pathToFileURL(join(folder, 'store')).href;
  const env = {
    ...process.env,
    ...o.env,
    LVNET_REDIS_URL: control.url,
    LVNET_TENSOR_REDIS_URL: tensors.socketUrl,
    LVNET_STORE: storeUrl,
    LVNET_LOG_LEVEL: 'info',
  };
  const store = await openStore(storeUrl, env);
  const registry = await openRegistry(control.url, 'lvnet-test');
  const slow = o.shardMs === undefined ? [] : [{ worker: '', step: 1, kind: 'slow', ms: o.shardMs }];
  const processes: TestProcess[] = [];

  const start = (name: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    const started = startProcess(name, args, { ...env, ...more });
    processes.push(started);
    return Promise.resolve(started);
  };
  const context = async (): Promise<SubmitContext> => {
    const engine = await engineOfWorkers(registry);
    return { store, registry, engine, now: Date.now };
  };
  return {
    store,
    registry,
    get control() {
      return servers.control;
    },
    get tensors() {
      return servers.tensors;
    },
    env,
    start,
    context,
    startCoordinator: (name = 'coordinator') =>
      start(name, ['coordinator', '--port', '0', '--host', '127.0.0.1']),
    startWorker(name, more = {}) {
      const given = more['LVNET_FAULTS'] ?? o.env?.['LVNET_FAULTS'];
      const others = JSON.parse(given ?? '[]') as object[];
      const faults = JSON.stringify([...slow, ...others]);
      const args = ['worker', '--name', name, '--threads', '1', '--port', '0'];
      return start(name, args, { ...more, LVNET_FAULTS: faults });
    },
    async submit(experiment, split, { again = false } = {}) {
      const { document } = await submitRun(await context(), experiment, { split, again });
      return document.run;
    },
    async crashRedis(which, { downMs, keeps }) {
      const server = servers[which];
      const dir = join(folder, which === 'control' ? 'rc' : 'rt');
      if (keeps) await saveRedis(server.url);
      const killedMs = Date.now();
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
      if (!keeps) await rm(dir, { recursive: true, force: true });
      await sleep(downMs);
      servers[which] = await startPrivateRedis({ dir, port: server.port, aof: which === 'control' });
      return killedMs;
    },
    stderr: () => processes.map((item) => item.stderr()).join('\n'),
    until: (run, what, limitMs, holds) => until({ store, registry, processes }, run, what, limitMs, holds),
    untilDone: (run, limitMs) => untilDone({ store, registry, processes }, run, limitMs),
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((item) => item.kill()));
      await registry.close();
      await store.close();
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    },
  };
}

function startProcess(name: string, args: readonly string[], env: NodeJS.ProcessEnv): TestProcess {
  const child = spawn(process.execPath, [lvnetPath, ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part));
  const gone = once(child, 'exit');
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    await gone;
    return child.exitCode;
  };
  return {
    name,
    pid: child.pid ?? 0,
    child,
    port: new Promise((resolve) => {
      child.on('message', (message) => {
        resolve((message as { port: number }).port);
      });
    }),
    kill: async () => {
      await end('SIGKILL');
    },
    stop: (signal = 'SIGTERM') => end(signal),
    stderr: () => text,
  };
}

/** Writes what a server holds into its file, so that it is there after a restart. */
async function saveRedis(url: string): Promise<void> {
  const redis = await connectRedis(url, { role: 'command', name: 'lvnet-test' });
  await redis.save();
  redis.disconnect();
}

async function engineOfWorkers(registry: Registry): Promise<{ kind: string; fingerprint: string }> {
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 50) {
    const worker = (await registry.workers())[0];
    if (worker !== undefined) return { kind: worker.engine, fingerprint: worker.fingerprint };
    await sleep(50);
  }
  throw new Error('no worker came up within 60 s');
}

interface Parts {
  store: Store;
  registry: Registry;
  processes: readonly TestProcess[];
}

async function untilDone(
  parts: Parts,
  run: string,
  limitMs: number,
): Promise<{ last: RunStatus; members: string[]; most: number }> {
  const seen = new Set<string>();
  let most = 0;
  const last = await until(parts, run, 'the run ends', limitMs, async (status) => {
    const members = (await parts.registry.progress(run))?.members ?? [];
    most = Math.max(most, members.length);
    for (const { worker } of members) seen.add(worker.replace(/-[0-9a-f]{8}$/, ''));
    return status.state === 'done';
  });
  return { last, members: [...seen].sort(), most };
}

async function until(
  parts: Parts,
  run: string,
  what: string,
  limitMs: number,
  holds: (status: RunStatus) => boolean | Promise<boolean>,
): Promise<RunStatus> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const pause = pauseAfterLook(50);
    const status = await readStatus(parts.store, parts.registry, run);
    if (await holds(status)) return status;
    if (status.state === 'failed' || performance.now() > endMs) {
      const logs = parts.processes
        .map((item) => `--- ${item.name}\n${item.stderr().slice(-3_000)}`)
        .join('\n');
      throw new Error(`${what}: not reached; ${JSON.stringify(status, null, 1)}\n${logs}`);
    }
    await pause();
  }
}
