import { fork, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Failure, sleep, withDeadline } from '@lvnet/core';
import type { Job } from '@lvnet/queue';
import type { ChildFact, EngineDescription, FailureMessage, FromChild, ToChild } from './messages.js';

export interface TrainerProcess extends AsyncDisposable {
  /** Resolves when a child is up and has proved its engine; starts one if there is none. */
  ready(): Promise<EngineDescription>;
  /**
   * Runs one job in the child. A second abort reason is not needed: the child finishes its step.
   *
   * @throws Failure('CHILD_DIED') with the reason (signal, exit code, out-of-memory kill, last lines)
   */
  run(job: Job, stop: { signal: AbortSignal; why: () => 'released' | 'leave' }): Promise<void>;
  close(): Promise<void>;
}

export interface TrainerOptions {
  env: NodeJS.ProcessEnv;
  onFact: (fact: ChildFact) => void;
  onDeath: (reason: string) => void;
}

const startLimitMs = 120_000;
const keptLines = 20;

/** Owns the trainer child: starts it, hands it tasks, says why it died, starts the next one. */
export function createTrainerProcess(options: TrainerOptions): TrainerProcess {
  let current: Promise<Child> | undefined;
  let failures = 0;
  let closed = false;

  const start = async (): Promise<Child> => {
    if (failures > 0) await sleep(Math.min(5_000, 100 * 2 ** failures));
    const child = await startChild(options);
    failures = 0;
    child.ended
      .then((reason) => {
        current = undefined;
        if (!closed) options.onDeath(reason);
      })
      .catch(() => undefined);
    return child;
  };
  const acquire = (): Promise<Child> => {
    if (closed) return Promise.reject(new Failure('CANCELLED', {}, { message: 'The worker is closing.' }));
    current ??= start().catch((error: unknown) => {
      current = undefined;
      failures++;
      throw error;
    });
    return current;
  };
  const close = async () => {
    closed = true;
    const child = await current?.catch(() => undefined);
    await child?.close();
  };
  return {
    ready: async () => (await acquire()).engine,
    run: async (job, stop) => (await acquire()).run(job, stop),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Child {
  engine: EngineDescription;
  ended: Promise<string>;
  run: TrainerProcess['run'];
  close(): Promise<void>;
}

async function startChild(options: TrainerOptions): Promise<Child> {
  const entry = fileURLToPath(new URL('./child/main.js', import.meta.url));
  const process_ = fork(entry, {
    env: options.env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  const lastLines = keepLastLines(process_);
  const ended = new Promise<string>((resolve) => {
    process_.once('exit', (code, signal) => {
      exitReason(process_.pid, code, signal, lastLines()).then(resolve, () => {
        resolve('for an unknown reason');
      });
    });
  });
  const tasks = new Map<number, (outcome: Outcome) => void>();
  const ready = new Promise<EngineDescription>((resolve, reject) => {
    process_.on('message', (message) => {
      receive(message as FromChild, tasks, { resolve, reject }, options.onFact);
    });
  });
  const died = ended.then((reason) => {
    throw new Failure('CHILD_DIED', { reason }, { message: `The trainer process ended ${reason}.` });
  });
  died.catch(() => undefined);
  const engine = await withDeadline('Starting the trainer', startLimitMs, () => Promise.race([ready, died]));
  let nextId = 1;
  return {
    engine,
    ended,
    run: (job, stop) => runTask(process_, tasks, nextId++, job, stop, died),
    async close() {
      if (process_.connected) process_.disconnect();
      await withDeadline('The end of the trainer', 5_000, () => ended).catch(() => process_.kill('SIGKILL'));
    },
  };
}

type Outcome = { kind: 'done' } | { kind: 'failed'; failure: Failure };

function receive(
  message: FromChild,
  tasks: Map<number, (outcome: Outcome) => void>,
  start: { resolve: (engine: EngineDescription) => void; reject: (failure: Failure) => void },
  onFact: (fact: ChildFact) => void,
): void {
  switch (message.kind) {
    case 'ready':
      start.resolve(message.engine);
      return;
    case 'refused':
      start.reject(failureOf(message.failure));
      return;
    case 'fact':
      onFact(message.fact);
      return;
    case 'done':
      tasks.get(message.id)?.({ kind: 'done' });
      return;
    case 'failed':
      tasks.get(message.id)?.({ kind: 'failed', failure: failureOf(message.failure) });
  }
}

const failureOf = ({ code, details, message, hint }: FailureMessage): Failure =>
  new Failure(code, details, { message, hint });

async function runTask(
  child: ChildProcess,
  tasks: Map<number, (outcome: Outcome) => void>,
  id: number,
  job: Job,
  stop: { signal: AbortSignal; why: () => 'released' | 'leave' },
  died: Promise<never>,
): Promise<void> {
  const outcome = new Promise<Outcome>((resolve) => tasks.set(id, resolve));
  const send = (message: ToChild) => {
    if (child.connected) child.send(message);
  };
  const onStop = () => {
    send({ kind: 'stop', id, why: stop.why() });
  };
  send({ kind: 'task', id, job });
  if (stop.signal.aborted) onStop();
  else stop.signal.addEventListener('abort', onStop, { once: true });
  try {
    const result = await Promise.race([outcome, died]);
    if (result.kind === 'failed') throw result.failure;
  } finally {
    stop.signal.removeEventListener('abort', onStop);
    tasks.delete(id);
  }
}

/** The child's last lines on stderr, which are passed through as they come. */
function keepLastLines(child: ChildProcess): () => string[] {
  let lines: string[] = [];
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => {
    process.stderr.write(text);
    lines = [...lines, ...text.split('\n').filter((line) => line.trim() !== '')].slice(-keptLines);
  });
  return () => lines;
}

async function exitReason(
  pid: number | undefined,
  code: number | null,
  signal: NodeJS.Signals | null,
  lines: string[],
): Promise<string> {
  const how =
    signal === null
      ? `with exit code ${String(code)}`
      : signal === 'SIGKILL' && (await wasKilledForMemory(pid))
        ? 'killed by the kernel for lack of memory (SIGKILL)'
        : `by ${signal}`;
  return lines.length === 0 ? how : `${how}; last words: ${lines.slice(-3).join(' | ')}`;
}

/** The kernel's count of memory kills in this cgroup; a best effort, false where it cannot be read. */
async function wasKilledForMemory(pid: number | undefined): Promise<boolean> {
  if (pid === undefined) return false;
  const events = await readFile('/sys/fs/cgroup/memory.events', 'utf8').catch(() => '');
  const kills = Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
  const before = memoryKills;
  memoryKills = kills;
  return kills > before;
}

let memoryKills = 0;
