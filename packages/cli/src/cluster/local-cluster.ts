import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Failure, sleep, withDeadline, writeFileAtomic } from '@lvnet/core';
import { startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import { clusterFilePath, type ClusterFile, type ClusterSettings } from './settings.js';

export interface LocalClusterOptions {
  /** Everything of the cluster lies here: store, Redis files, logs. */
  folder: string;
  /** Where `.lvnet/cluster.json` goes, so that commands in that folder find the cluster. */
  linkFolder: string;
  workers: number;
  engine: string;
  /** Port of the page; 0 takes a free one. */
  port: number;
  onNote: (text: string) => void;
}

export interface LocalCluster extends AsyncDisposable {
  settings: ClusterSettings;
  page: string;
  /** Process ids of the workers' supervisors at the moment. */
  workerPids: () => number[];
  /** Clean stop: workers leave with a checkpoint first, then the coordinator, then Redis. */
  stop(): Promise<void>;
}

/** A whole cluster on this machine; whatever of it dies is started again. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { folder } = options;
  await refuseTakenPort(options.port);
  await mkdir(join(folder, 'logs'), { recursive: true });
  const control = await startPrivateRedis({ dir: join(folder, 'redis-control'), aof: true });
  const tensors = await startPrivateRedis({ dir: join(folder, 'redis-tensors') }).catch(
    async (error: unknown) => {
      await control.stop();
      throw error;
    },
  );
  const settings: ClusterSettings = {
    redisUrl: control.socketUrl,
    tensorRedisUrl: tensors.socketUrl,
    storeUrl: pathToFileURL(join(folder, 'store')).href,
  };
  const stopping = new AbortController();
  const stopRedis = keepRedis(folder, [control, tensors], stopping.signal, options.onNote);
  const coordinator = keepProcess({
    name: 'coordinator',
    args: ['coordinator', '--port', String(options.port), '--host', '127.0.0.1'],
    ...common(options, settings),
  });
  const threads = Math.max(1, Math.floor(availableParallelism() / Math.max(1, options.workers)));
  const deviceOf = await shareGpus(options);
  const workers = Array.from({ length: options.workers }, (_, i) =>
    keepProcess({
      name: `worker-${String(i + 1)}`,
      args: [
        ...['worker', '--engine', options.engine, '--name', `worker${String(i + 1)}`],
        ...['--threads', String(threads), '--port', '0', '--device', String(deviceOf(i))],
      ],
      ...common(options, settings),
    }),
  );
  const stop = async () => {
    stopping.abort();
    await Promise.all(workers.map((worker) => worker.stop()));
    await coordinator.stop();
    await stopRedis();
    await rm(clusterFilePath(options.linkFolder), { force: true });
  };
  try {
    const port = await withDeadline('Starting the coordinator', 30_000, () => coordinator.listening);
    const page = `http://127.0.0.1:${String(port)}/`;
    const file: ClusterFile = { ...settings, pid: process.pid, page };
    await mkdir(dirname(clusterFilePath(options.linkFolder)), { recursive: true });
    await writeFileAtomic(clusterFilePath(options.linkFolder), `${JSON.stringify(file, null, 1)}\n`);
    const workerPids = () => workers.flatMap((worker) => worker.pid() ?? []);
    return { settings, page, workerPids, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The device of each worker: with the tensorflow engine one GPU after the other, where it has any. */
async function shareGpus({
  engine,
  workers,
  onNote,
}: LocalClusterOptions): Promise<(worker: number) => number> {
  if (engine !== 'tensorflow') return () => 0;
  const { usableGpus } = await import('@lvnet/engine'); // large; nothing else here computes
  const gpus = usableGpus();
  if (gpus > 0 && workers > gpus)
    onNote(`${String(workers)} workers share ${String(gpus)} GPUs and their memory`);
  return (worker) => (gpus === 0 ? 0 : worker % gpus);
}

/** The coordinator would say the same, but only in its log. */
async function refuseTakenPort(port: number): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch (cause) {
    throw new Failure(
      'PORT_IN_USE',
      { port },
      {
        message: `Port ${String(port)} is in use.`,
        hint: 'Choose another with --port, or 0 for a free one.',
        cause,
      },
    );
  } finally {
    probe.close();
  }
}

function common(options: LocalClusterOptions, settings: ClusterSettings) {
  const env = {
    ...process.env,
    LVNET_REDIS_URL: settings.redisUrl,
    LVNET_TENSOR_REDIS_URL: settings.tensorRedisUrl,
    LVNET_STORE: settings.storeUrl,
  };
  return { folder: options.folder, env, onNote: options.onNote };
}

interface KeptProcess {
  listening: Promise<number>;
  pid(): number | undefined;
  stop(): Promise<void>;
}

const cliPath = fileURLToPath(new URL('../../bin/lvnet.js', import.meta.url));
const stopLimitMs = 40_000;

/** Runs one of our own processes and starts it again whenever it ends. */
function keepProcess(o: {
  name: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  folder: string;
  onNote: (text: string) => void;
}): KeptProcess {
  const log = createWriteStream(join(o.folder, 'logs', `${o.name}.log`), { flags: 'a' });
  let child: ChildProcess | undefined;
  let stopped = false;
  const isStopped = () => stopped;
  let quickEnds = 0;
  let onListening: (port: number) => void = () => undefined;
  let onHopeless: (failure: Failure) => void = () => undefined;
  const listening = new Promise<number>((resolve, reject) => {
    onListening = resolve;
    onHopeless = reject;
  });
  listening.catch(() => undefined);

  const keep = async () => {
    while (!isStopped()) {
      const startMs = performance.now();
      const tail = await runOnce(o, log, (spawned) => (child = spawned), onListening);
      if (isStopped()) return;
      quickEnds = performance.now() - startMs < 5_000 ? quickEnds + 1 : 0;
      o.onNote(`${o.name} ended; starting it again`);
      if (quickEnds >= 3) onHopeless(endsAtOnce(o.name, tail, join(o.folder, 'logs')));
      await sleep(Math.min(5_000, 100 * 2 ** quickEnds));
    }
  };
  const kept = keep();
  return {
    listening,
    pid: () => child?.pid,
    async stop() {
      stopped = true;
      child?.kill('SIGTERM');
      const done = new AbortController();
      const late = sleep(stopLimitMs, done.signal).then(
        () => child?.kill('SIGKILL'),
        () => false,
      );
      await kept;
      done.abort();
      await late;
      log.end();
    },
  };
}

/** Resolves with the last lines once the process has ended. */
async function runOnce(
  o: { args: string[]; env: NodeJS.ProcessEnv },
  log: WriteStream,
  onSpawned: (child: ChildProcess) => void,
  onListening: (port: number) => void,
): Promise<string> {
  // A process group of its own: Ctrl-C reaches only the parent, which stops the others in order.
  const child = spawn(process.execPath, [cliPath, ...o.args], {
    env: o.env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  onSpawned(child);
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log.write(text);
    tail = (tail + text).slice(-1_500);
  });
  child.on('message', (message) => {
    const { kind, port } = message as { kind?: string; port?: number };
    if (kind === 'listening' && port !== undefined) onListening(port);
  });
  await new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
    child.once('error', (error) => {
      tail += error.message;
      resolve();
    });
  });
  return tail;
}

function endsAtOnce(name: string, tail: string, logs: string): Failure {
  const last = tail.trim().split('\n').slice(-3).join('\n');
  return new Failure(
    'INTERNAL',
    { process: name, logs },
    { message: `${name} does not stay up: ${last}`, hint: `Its log is in ${logs}.` },
  );
}

/** Starts a Redis that ended again on its old port: the control server finds its append-only file. */
function keepRedis(
  folder: string,
  servers: [PrivateRedis, PrivateRedis],
  signal: AbortSignal,
  onNote: (text: string) => void,
): () => Promise<void> {
  const current: PrivateRedis[] = [...servers];
  const names = ['redis-control', 'redis-tensors'] as const;
  const isOver = () => signal.aborted;
  const watch = async (i: 0 | 1) => {
    while (!isOver()) {
      const server = current[i] ?? servers[i];
      await server.ended;
      if (isOver()) return;
      onNote(`${names[i]} ended; starting it again`);
      try {
        current[i] = await startPrivateRedis({
          dir: join(folder, names[i]),
          aof: i === 0,
          port: server.port,
        });
      } catch {
        await sleep(500, signal).catch(() => undefined);
      }
    }
  };
  const watching = [watch(0), watch(1)];
  return async () => {
    await Promise.all(current.map((server) => server.stop()));
    await Promise.all(watching);
  };
}
