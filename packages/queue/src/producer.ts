import { connectRedis } from '@lvnet/redis';
import type { Queue } from 'bullmq';
import type { Job } from './jobs.js';
import { loadBullmq } from './load-bullmq.js';
import { queueName, queuePrefix, type QueueRef } from './names.js';
import { retryAfterMs } from './patience.js';

/** Puts jobs into queues; adding a job whose id is queued or running is a no-op. */
export interface Producer extends AsyncDisposable {
  ensure(queue: QueueRef, jobId: string, job: Job): Promise<void>;
  /** Takes a job out that nobody has begun; true when it was there. */
  withdraw(queue: QueueRef, jobId: string): Promise<boolean>;
  counts(queue: QueueRef): Promise<Record<string, number>>;
  close(): Promise<void>;
}

/**
 * @param url control Redis
 * @throws Failure('REDIS_UNREACHABLE')
 */
export async function createProducer(url: string): Promise<Producer> {
  const { Queue } = loadBullmq();
  const connection = await connectRedis(url, { role: 'producer', name: 'lvnet-producer' });
  const queues = new Map<string, Queue>();
  const open = (ref: QueueRef): Queue => {
    const name = queueName(ref);
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, { connection, prefix: queuePrefix });
    queue.on('error', ignoreReconnects);
    queues.set(name, queue);
    return queue;
  };
  const close = async () => {
    await Promise.all([...queues.values()].map((queue) => queue.close()));
    connection.disconnect();
  };
  return {
    async ensure(ref, jobId, job) {
      await open(ref).add(job.kind, job, { jobId, ...jobOptions });
    },
    async withdraw(ref, jobId) {
      const job = await open(ref).getJob(jobId);
      if (job === undefined || (await job.isActive())) return false;
      await job.remove();
      return true;
    },
    counts: (ref) => open(ref).getJobCounts('waiting', 'active', 'delayed', 'failed'),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Finished jobs leave at once: whether work is done is read from the store, and the id is free again. When
 * a job has failed often enough its host decides, which knows why.
 */
const jobOptions = {
  attempts: 1_000_000,
  backoff: { type: 'fixed', delay: retryAfterMs },
  removeOnComplete: true,
  removeOnFail: true,
};

/** ioredis reconnects by itself; commands sent meanwhile fail on their own. */
function ignoreReconnects(): void {
  return;
}
