import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { asFailure, Failure, linkedAbort, sleep, systemClock } from '@lvnet/core';
import { createHost, openRegistry, type Host, type Job, type Registry, type WorkerEntry } from '@lvnet/queue';
import type { Logger, Telemetry } from '@lvnet/telemetry';
import { recordFact } from './facts.js';
import { isStillWanted, isWantedMember, watchRelease } from './invitation.js';
import type { ChildFact, EngineDescription } from './messages.js';
import { createTrainerProcess, type TrainerProcess } from './trainer-process.js';

export interface SupervisorOptions {
  redisUrl: string;
  /** The environment of the trainer child: store, Redis, engine, threads. */
  childEnv: NodeJS.ProcessEnv;
  telemetry: Telemetry;
  logger: Logger;
  metricsPort: number | null;
  /** A stable name for people; the worker's identity adds a random part. */
  name?: string;
}

const leaseMs = 5_000;
const beatMs = 1_000;
/** A run that refused this worker is not tried again before that: its members may be others by then. */
const refusedForMs = 30_000;
/** The same trouble with a run is told again after this. */
const toldForMs = 60_000;

/**
 * Holds the locks, the lease and the metrics of one device and never computes: everything heavy is
 * done by the trainer child, which may die without taking this process along.
 */
export async function runSupervisor(options: SupervisorOptions, signal: AbortSignal): Promise<void> {
  // Drawn at process start: a restarted worker is a newcomer and inherits nothing.
  const worker = `${options.name ?? hostname()}-${randomBytes(4).toString('hex')}`;
  await using registry = await openRegistry(options.redisUrl, `lvnet-worker-${worker}`);
  const activity: Activity = { text: 'idle', run: null };
  await using trainer = createTrainerProcess({
    env: { ...options.childEnv, LVNET_WORKER: worker },
    onFact: (fact) => {
      onFact(fact, options, registry);
    },
    onDeath: (reason) => {
      options.logger.warn(`the trainer process ended ${reason}; starting another`, { worker });
    },
  });
  const engine = await trainer.ready();
  options.logger.info('worker ready', { worker, ...engine });
  const hosts = await openHosts(options, worker, engine, {
    ...{ worker, trainer, registry, activity },
    ...{ logger: options.logger, refusals: new Map(), troubles: new Map() },
  });
  try {
    await beatUntil(signal, registry, describe(worker, engine, options), activity, options.logger);
  } finally {
    await Promise.all(hosts.map((host) => host.close(30_000)));
    await registry.retireWorker(worker).catch(() => undefined); // the lease ends by itself
  }
}

interface Parts {
  worker: string;
  trainer: TrainerProcess;
  registry: Registry;
  activity: Activity;
  logger: Logger;
  /** Runs that this worker does not suit, and since when that is known. */
  refusals: Map<string, { failure: Failure; atMs: number }>;
  /** What went wrong with runs last, and when it was told. */
  troubles: Map<string, { message: string; atMs: number }>;
}

/** What this worker does, for its entry in the registry. */
interface Activity {
  text: string;
  run: string | null;
}

async function openHosts(
  options: SupervisorOptions,
  worker: string,
  engine: EngineDescription,
  parts: Parts,
): Promise<Host[]> {
  const { fingerprint } = engine;
  const open = (
    queue: Parameters<typeof createHost>[0]['queue'],
    process_: Parameters<typeof createHost>[0]['process'],
  ) =>
    createHost({
      url: options.redisUrl,
      queue,
      worker,
      process: process_,
      onAgain: (job, failure) => tellTrouble(parts, job, failure),
      onGivenUp: (job, failure) => giveUp(parts.registry, job, failure, options.logger),
    });
  const work = (job: Job, signal: AbortSignal) => doWork(job, signal, parts, fingerprint);
  return Promise.all([
    open({ kind: 'prepare' }, work),
    open({ kind: 'train', fingerprint }, (job, signal) => beMember(job, signal, parts, fingerprint)),
    open({ kind: 'validate', fingerprint }, work),
  ]);
}

async function doWork(job: Job, signal: AbortSignal, parts: Parts, fingerprint: string): Promise<void> {
  if (!(await isStillWanted(parts.registry, job))) return;
  if ((await parts.trainer.ready()).fingerprint !== fingerprint) throw otherEngine();
  await parts.trainer.run(job, { signal, why: () => 'leave' });
}

/** Member of a run until the run ends, the coordinator wants fewer members, or this worker leaves. */
async function beMember(job: Job, signal: AbortSignal, parts: Parts, fingerprint: string): Promise<void> {
  if (!(await isWantedMember(parts.registry, job))) return;
  if ((await parts.trainer.ready()).fingerprint !== fingerprint) throw otherEngine();
  refuseAgain(parts, job.run);
  const link = linkedAbort(signal);
  const watching = new AbortController();
  const watch = watchRelease(parts.registry, job, systemClock, watching.signal, () => {
    link.abort();
  });
  Object.assign(parts.activity, { text: `training ${job.run}`, run: job.run } satisfies Activity);
  try {
    await parts.trainer.run(job, { signal: link.signal, why: () => (signal.aborted ? 'leave' : 'released') });
  } catch (error) {
    if (asFailure(error).code === 'WORKER_UNSUITABLE') await tellRefusal(parts, job.run, asFailure(error));
    throw error;
  } finally {
    watching.abort();
    await watch;
    link.release();
    Object.assign(parts.activity, { text: 'idle', run: null } satisfies Activity);
  }
}

/** A run that refused this worker will do so again: the invitation goes back at once, for another one. */
function refuseAgain({ refusals }: Parts, run: string): void {
  const known = refusals.get(run);
  if (known !== undefined && systemClock.monotonicMs() - known.atMs < refusedForMs) throw known.failure;
}

/** Said where people look: with the run. */
async function tellRefusal(
  { refusals, registry, logger }: Parts,
  run: string,
  failure: Failure,
): Promise<void> {
  const isNews = !refusals.has(run);
  refusals.set(run, { failure, atMs: systemClock.monotonicMs() });
  if (!isNews) return;
  logger.error(`refused: ${failure.message}`, { run, hint: failure.hint });
  await registry.request({ kind: 'note', run, text: failure.message }).catch(() => undefined);
}

/** Members try for ever: what hinders them must not stay unknown. Refusals are told by themselves. */
async function tellTrouble(
  { worker, troubles, registry, logger }: Parts,
  job: Job,
  { code, message, hint }: Failure,
): Promise<void> {
  if (code === 'CANCELLED' || code === 'WORKER_UNSUITABLE') return;
  const { run } = job;
  const last = troubles.get(run);
  const nowMs = systemClock.monotonicMs();
  if (last?.message === message && nowMs - last.atMs < toldForMs) return;
  troubles.set(run, { message, atMs: nowMs });
  logger.warn(message, { run, hint });
  const what = 'case' in job ? ` (${job.kind} ${job.case})` : '';
  const text = `${worker} failed${what}: ${message}${hint === '' ? '' : ` ${hint}`}`;
  await registry.request({ kind: 'note', run, text }).catch(() => undefined);
}

async function giveUp(registry: Registry, job: Job, failure: Failure, logger: Logger): Promise<void> {
  logger.error(`${job.kind} gave up: ${failure.message}`, { run: job.run, code: failure.code });
  await registry.request({
    kind: 'jobFailed',
    run: job.run,
    job: 'case' in job ? `${job.kind} ${job.case}` : job.kind,
    code: failure.code,
    message: failure.message,
    hint: failure.hint,
  });
}

function otherEngine(): Failure {
  return new Failure(
    'WORKER_UNSUITABLE',
    {},
    { message: 'The new trainer process measures another engine fingerprint.', hint: 'Restart this worker.' },
  );
}

async function beatUntil(
  signal: AbortSignal,
  registry: Registry,
  entry: WorkerEntry,
  activity: Activity,
  logger: Logger,
): Promise<void> {
  while (!signal.aborted) {
    await registry
      .announceWorker({ ...entry, activity: activity.text, run: activity.run }, leaseMs)
      .catch((error: unknown) => {
        logger.warn('control Redis does not answer; trying again', { error });
      });
    await sleep(beatMs, signal).catch(() => undefined);
  }
}

function describe(worker: string, engine: EngineDescription, options: SupervisorOptions): WorkerEntry {
  return {
    worker,
    host: hostname(),
    pid: process.pid,
    engine: engine.kind,
    fingerprint: engine.fingerprint,
    threads: engine.threads,
    startedAt: new Date().toISOString(),
    metricsPort: options.metricsPort,
    activity: 'idle',
    run: null,
  };
}

function onFact(fact: ChildFact, options: SupervisorOptions, registry: Registry): void {
  recordFact(fact, options.telemetry);
  const failed = (error: unknown) => {
    options.logger.debug('progress could not be reported', { error });
  };
  if (fact.kind === 'progress') registry.reportProgress(fact.run, fact.progress).catch(failed);
  if (fact.kind === 'note') {
    const { run, text, viewChange } = fact;
    options.logger.info(text, { run });
    registry
      .request({ kind: 'note', run, text, ...(viewChange === undefined ? {} : { viewChange }) })
      .catch(failed);
  }
}
