import { asFailure, Failure, withDeadline } from '@lvnet/core';
import { connectRedis } from '@lvnet/redis';
import type { Job as BullJob } from 'bullmq';
import { jobKinds, type Job } from './jobs.js';
import { loadBullmq } from './load-bullmq.js';
import { queueName, queuePrefix, type QueueRef } from './names.js';
import { afterFailure } from './patience.js';

export interface HostOptions {
  url: string;
  queue: QueueRef;
  worker: string;
  /**
   * Does the job. Must be idempotent: a job is started again when its holder dies.
   * The signal aborts when the host closes.
   */
  process: (job: Job, signal: AbortSignal) => Promise<void>;
  /** The job failed and will be tried again, perhaps for ever. */
  onAgain?: (job: Job, failure: Failure) => Promise<void>;
  /** The job will not be tried again. */
  onGivenUp: (job: Job, failure: Failure) => Promise<void>;
}

export interface Host extends AsyncDisposable {
  /** Takes no more jobs, aborts the running one and waits for it, `limitMs` at most. */
  close(limitMs?: number): Promise<void>;
}

/**
 * Holds the locks of the jobs it runs, so it must live in a process that never computes: a blocked
 * event loop would lose them. A dead host's job starts elsewhere after about 2-6 s.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const { UnrecoverableError, Worker } = loadBullmq();
  const connection = await connectRedis(options.url, {
    role: 'blocking',
    name: `lvnet-host-${options.worker}`,
  });
  const closing = new AbortController();
  const worker = new Worker<Job, undefined>(
    queueName(options.queue),
    async (job) => {
      const givenUp = await run(job, options, closing.signal);
      if (givenUp !== undefined) throw new UnrecoverableError(givenUp.message);
      return undefined;
    },
    {
      connection,
      prefix: queuePrefix,
      concurrency: 1,
      lockDuration: 5_000,
      stalledInterval: 2_000,
      maxStalledCount: 1_000_000,
    },
  );
  worker.on('error', () => undefined); // reconnects by itself; jobs report their own errors
  const close = async (limitMs = 10_000) => {
    closing.abort(new Failure('CANCELLED', {}, { message: 'The worker is leaving.' }));
    // Beyond the limit the job's lock runs out and another host starts it again.
    await withDeadline('Closing the queue', limitMs, () => worker.close()).catch(() => undefined);
    connection.disconnect();
  };
  return { close, [Symbol.asyncDispose]: () => close() };
}

/** @returns why the job will not be tried again, where it failed for good */
async function run(
  bullJob: BullJob<Job>,
  options: HostOptions,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const job = jobKinds[bullJob.data.kind].parse(bullJob.data);
  try {
    await options.process(job, signal);
    return undefined;
  } catch (error) {
    const failure = asFailure(error);
    const before = typeof bullJob.progress === 'number' ? bullJob.progress : 0;
    const { verdict, failureCount } = afterFailure(job, failure, before);
    if (verdict === 'again') {
      if (failureCount > before) await bullJob.updateProgress(failureCount);
      await options.onAgain?.(job, failure);
      throw failure;
    }
    await options.onGivenUp(job, failure);
    return failure;
  }
}
