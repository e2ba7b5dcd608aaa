import { asFailure } from '@lvnet/core';
import { openEngine, type EngineKind } from '@lvnet/engine';
import { dieWithParent } from '@lvnet/kernels';
import type { Job } from '@lvnet/queue';
import { openStore } from '@lvnet/store';
import { collectRarely, engineFingerprint } from '@lvnet/training';
import type { FromChild, ToChild } from '../messages.js';
import type { TaskContext, TaskStop } from './context.js';
import { prepareTask } from './prepare-task.js';
import { reportTask } from './report-task.js';
import { trainTask } from './train-task.js';
import { validateTask } from './validate-task.js';

/**
 * The trainer child: owns the device and does what its supervisor asks. It must never outlive its
 * parent: the kernel kills it with the parent, and a closed channel ends it where the kernel cannot.
 */
async function main(): Promise<void> {
  dieWithParent();
  collectRarely();
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the supervisor decides
  process.on('SIGTERM', () => undefined);
  const context = await openContext();
  const stops = new Map<number, (why: 'released' | 'leave') => void>();
  process.on('message', (message) => {
    const asked = message as ToChild;
    if (asked.kind === 'stop') stops.get(asked.id)?.(asked.why);
    else void runTask(asked.id, asked.job, context, stops);
  });
  send({ kind: 'ready', engine: context.engineDescription });
  reportMemory(context);
}

async function openContext(): Promise<TaskContext> {
  const { env } = process;
  const kind = (env['LVNET_ENGINE'] ?? 'auto') as EngineKind | 'auto';
  const threads = Number(env['LVNET_THREADS'] ?? 0);
  const device = Number(env['LVNET_DEVICE'] ?? 0);
  const deviceMemoryBytes = Number(env['LVNET_DEVICE_MEMORY'] ?? 0);
  const engine = await openEngine({
    ...{ kind, device },
    ...(threads > 0 ? { threads } : {}),
    ...(deviceMemoryBytes > 0 ? { deviceMemoryBytes } : {}),
  });
  const fingerprint = engineFingerprint(engine);
  return {
    worker: env['LVNET_WORKER'] ?? `trainer-${String(process.pid)}`,
    store: await openStore(env['LVNET_STORE'] ?? '', env),
    tensorRedisUrl: env['LVNET_TENSOR_REDIS_URL'] ?? env['LVNET_REDIS_URL'] ?? '',
    engine,
    engineDescription: {
      kind: engine.kind,
      fingerprint,
      threads: engine.threads,
      instructionSet: engine.instructionSet,
    },
    report: (fact) => {
      send({ kind: 'fact', fact });
    },
  };
}

async function runTask(
  id: number,
  job: Job,
  context: TaskContext,
  stops: Map<number, (why: 'released' | 'leave') => void>,
): Promise<void> {
  const controller = new AbortController();
  let reason: 'released' | 'leave' = 'leave';
  stops.set(id, (why) => {
    reason = why;
    controller.abort();
  });
  try {
    await perform(job, context, { signal: controller.signal, why: () => reason });
    send({ kind: 'done', id });
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === 'INTERNAL') process.stderr.write(`${stackOf(error)}\n`);
    send({ kind: 'failed', id, failure: failure.toJSON() });
  } finally {
    stops.delete(id);
  }
}

function perform(job: Job, context: TaskContext, stop: TaskStop): Promise<void> {
  switch (job.kind) {
    case 'prepare':
      return prepareTask(job, context);
    case 'train':
      return trainTask(job, context, stop);
    case 'validate':
      return job.subject === 'report' ? reportTask(job, context) : validateTask(job, context);
  }
}

function reportMemory(context: TaskContext): void {
  const report = () => {
    context.report({ kind: 'memory', bytes: process.memoryUsage.rss() });
  };
  report();
  setInterval(report, 5_000).unref();
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

main().catch((error: unknown) => {
  const failure = asFailure(error);
  if (failure.code !== 'INTERNAL' && process.connected) {
    const message: FromChild = { kind: 'refused', failure: failure.toJSON() };
    process.send?.(message, () => process.exit(1));
    return;
  }
  const text = failure.code === 'INTERNAL' ? stackOf(error) : `${failure.message} ${failure.hint}`;
  process.stderr.write(`${text}\n`, () => process.exit(1));
});
