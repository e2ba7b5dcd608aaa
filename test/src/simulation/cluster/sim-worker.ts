import { asFailure, Failure } from '@lvnet/core';
import { queueName, type Job, type QueueRef, type Registry } from '@lvnet/queue';
import { afterFailure, registryOver } from '@lvnet/queue/testing';
import { isStillWanted, isWantedMember, watchRelease } from '@lvnet/worker/testing';
import type { Store } from '@lvnet/store';
import type { SimProcess } from '../world.js';
import { controlRedisOver, type ControlConnection } from './control-client.js';
import type { ControlServer } from './control-server.js';
import type { TakenJob } from './queues.js';
import { prepareToy, reportToy, validateToy } from './toy-tasks.js';
import { trainToy, type TrainingEvents, type Trainings } from './toy-training.js';

export interface WorkerParts {
  process: SimProcess;
  worker: string;
  fingerprint: string;
  server: ControlServer;
  connect: () => ControlConnection;
  store: Store;
  stepMs: number;
  trainings: Trainings;
  events: TrainingEvents;
  onJob: (job: string, what: string) => void;
}

export interface SimWorker {
  process: SimProcess;
  worker: string;
  /** The trainer child dies: what it was doing fails. */
  loseTrainer(): void;
  /** SIGTERM: gives its jobs back and goes. */
  leave(): void;
}

const beatMs = 1_000;
const leaseMs = 5_000;
const pollMs = 400;
const extendMs = 2_500;

/** A worker's supervisor: one job of a kind at a time, locks that are held on, and invitations that are checked. */
export function startWorker(parts: WorkerParts): SimWorker {
  const { process, worker, fingerprint, server, connect } = parts;
  const { clock } = process;
  const registry = registryOver(controlRedisOver(connect(), server, worker));
  const leaving = new AbortController();
  let trainer = new AbortController();
  const activity: { run: string | null } = { run: null };

  const perform = async (job: Job, signal: AbortSignal): Promise<void> => {
    const { store } = parts;
    if (job.kind === 'train') {
      await beMember(parts, registry, job, signal, activity);
      return;
    }
    if (!(await isStillWanted(registry, job))) return;
    if (job.kind === 'prepare') await prepareToy(job, { store, clock });
    else if (job.subject === 'report') await reportToy(job.run, { store, clock });
    else await validateToy(job, { store, clock });
  };
  const withTrainer = async (job: Job): Promise<void> => {
    const { signal } = trainer;
    let onDeath: () => void = () => undefined;
    const died = new Promise<never>((_, reject) => {
      onDeath = () => {
        reject(new Failure('CHILD_DIED', {}, { message: 'The trainer process ended.' }));
      };
      signal.addEventListener('abort', onDeath);
    });
    try {
      await Promise.race([perform(job, leaving.signal), died]);
    } finally {
      signal.removeEventListener('abort', onDeath);
    }
  };
  const host = async (queue: QueueRef): Promise<void> => {
    const connection = connect();
    for (let count = 0; !leaving.signal.aborted; count++) {
      const token = `${worker}-${queue.kind}-${String(count)}`;
      const taken = await connection
        .call(() => server.queues.take([queueName(queue)], token))
        .catch(() => undefined);
      if (taken === undefined) await clock.sleep(pollMs);
      else await work(connection, taken, token);
    }
  };
  const work = async (connection: ControlConnection, taken: TakenJob, token: string): Promise<void> => {
    parts.onJob(taken.id, 'begun');
    const held = new AbortController();
    const holding = holdOn(connection, taken.id, token, held.signal);
    try {
      await withTrainer(taken.job);
      await connection.call(() => {
        server.queues.complete(taken.id, token);
      });
    } catch (error) {
      const failure = asFailure(error);
      parts.onJob(taken.id, failure.message);
      const after = afterFailure(taken.job, failure, taken.failureCount);
      if (after.verdict === 'giveUp') await giveUp(registry, taken.job, failure).catch(() => undefined);
      await connection
        .call(() => {
          server.queues.fail(taken.id, token, after);
        })
        .catch(() => undefined);
    } finally {
      held.abort();
      await holding;
    }
  };
  const holdOn = async (connection: ControlConnection, id: string, token: string, signal: AbortSignal) => {
    await clock.sleep(extendMs, signal).catch(() => undefined);
    while (!signal.aborted) {
      await connection.call(() => server.queues.extend(id, token)).catch(() => undefined);
      await clock.sleep(extendMs, signal).catch(() => undefined);
    }
  };
  const beat = async () => {
    while (!leaving.signal.aborted) {
      const entry = {
        ...{ worker, host: 'h', pid: 1, engine: 'native', fingerprint, threads: 1, startedAt: '' },
        ...{ metricsPort: null, activity: activity.run ?? 'idle', run: activity.run },
      };
      await registry.announceWorker(entry, leaseMs).catch(() => undefined);
      await clock.sleep(beatMs, leaving.signal).catch(() => undefined);
    }
  };
  const hosts = Promise.all([
    host({ kind: 'prepare' }),
    host({ kind: 'train', fingerprint }),
    host({ kind: 'validate', fingerprint }),
  ]);
  void Promise.all([beat(), hosts]).then(async () => {
    await registry.retireWorker(worker).catch(() => undefined);
    process.kill();
  });
  return {
    process,
    worker,
    loseTrainer: () => {
      trainer.abort();
      trainer = new AbortController();
    },
    leave: () => {
      leaving.abort();
    },
  };
}

async function beMember(
  parts: WorkerParts,
  registry: Registry,
  job: Extract<Job, { kind: 'train' }>,
  leaving: AbortSignal,
  activity: { run: string | null },
): Promise<void> {
  const { process, store, worker, stepMs, trainings, events } = parts;
  if (!(await isWantedMember(registry, job))) return;
  const stop = new AbortController();
  const onLeave = () => {
    stop.abort();
  };
  leaving.addEventListener('abort', onLeave);
  const watching = new AbortController();
  const watch = watchRelease(registry, job, process.clock, watching.signal, onLeave);
  activity.run = job.run;
  try {
    // A seat is one job's: a worker that begins anew is a newcomer.
    const seat = `${worker}#${String(process.clock.monotonicMs())}`;
    const { clock } = process;
    await trainToy(job.run, { store, clock, worker: seat, stepMs, trainings, events, signal: stop.signal });
  } finally {
    watching.abort();
    await watch;
    leaving.removeEventListener('abort', onLeave);
    activity.run = null;
  }
}

const giveUp = (registry: Registry, job: Job, { code, message, hint }: Failure): Promise<void> =>
  registry.request({ kind: 'jobFailed', run: job.run, job: job.kind, code, message, hint });
