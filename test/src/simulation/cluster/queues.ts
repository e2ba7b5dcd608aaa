import type { Job } from '@lvnet/queue';
import { retryAfterMs } from '@lvnet/queue/testing';
import type { World } from '../world.js';

interface QueuedJob {
  id: string;
  queue: string;
  job: Job;
  failureCount: number;
  /** Nobody takes it before. */
  readyMs: number;
  /** Its holder and until when it holds; a lapsed lock lets another one take the job. */
  lock: { token: string; untilMs: number } | null;
}

export interface TakenJob {
  id: string;
  queue: string;
  job: Job;
  failureCount: number;
}

/** Queues as BullMQ keeps them: ids unique while queued or held, locks that lapse, retries with a delay. */
export interface Queues {
  add(queue: string, id: string, job: Job): void;
  take(queues: readonly string[], token: string): TakenJob | undefined;
  /** False when the lock is another's by now. */
  extend(id: string, token: string): boolean;
  /** Takes a held job out; nothing happens where the lock is another's by now. */
  complete(id: string, token: string): void;
  fail(id: string, token: string, after: { verdict: 'again' | 'giveUp'; failureCount: number }): void;
  withdraw(id: string): boolean;
  all(): readonly { id: string; isHeld: boolean }[];
  /** A fault: the job is gone. */
  lose(id: string): void;
  /** A fault: the lock of a held job lapses, and it starts a second time while the first one goes on. */
  double(id: string): void;
  save(): readonly QueuedJob[];
  restore(saved: readonly QueuedJob[] | undefined): void;
}

const lockMs = 5_000;

export function createQueues(world: World): Queues {
  let jobs = new Map<string, QueuedJob>();
  const isHeld = ({ lock }: QueuedJob) => lock !== null && lock.untilMs > world.nowMs();
  const heldBy = (id: string, token: string): QueuedJob | undefined => {
    const found = jobs.get(id);
    return found?.lock?.token === token ? found : undefined;
  };
  return {
    add(queue, id, job) {
      if (jobs.has(id)) return;
      jobs.set(id, { id, queue, job, failureCount: 0, readyMs: world.nowMs(), lock: null });
    },
    take(queues, token) {
      for (const item of jobs.values()) {
        if (!queues.includes(item.queue) || isHeld(item) || item.readyMs > world.nowMs()) continue;
        item.lock = { token, untilMs: world.nowMs() + lockMs };
        const { id, queue, job, failureCount } = item;
        return { id, queue, job, failureCount };
      }
      return undefined;
    },
    extend(id, token) {
      const found = heldBy(id, token);
      if (found !== undefined) found.lock = { token, untilMs: world.nowMs() + lockMs };
      return found !== undefined;
    },
    complete(id, token) {
      if (heldBy(id, token) !== undefined) jobs.delete(id);
    },
    fail(id, token, { verdict, failureCount }) {
      const found = heldBy(id, token);
      if (found === undefined) return;
      found.failureCount = failureCount;
      if (verdict === 'giveUp') jobs.delete(id);
      else {
        found.lock = null;
        found.readyMs = world.nowMs() + retryAfterMs;
      }
    },
    withdraw(id) {
      const found = jobs.get(id);
      if (found === undefined || isHeld(found)) return false;
      return jobs.delete(id);
    },
    all: () => [...jobs.values()].map((item) => ({ id: item.id, isHeld: isHeld(item) })),
    lose: (id) => void jobs.delete(id),
    double(id) {
      const found = jobs.get(id);
      if (found !== undefined) found.lock = null;
    },
    save: () => structuredClone([...jobs.values()]),
    restore(saved = []) {
      jobs = new Map(structuredClone([...saved]).map((item) => [item.id, item]));
    },
  };
}
