import { systemClock, type Clock } from './clock.js';
import { Failure } from './failure.js';

/**
 * Runs `work` under a deadline. The signal handed to it aborts at the deadline or with `outer`.
 *
 * @throws Failure('DEADLINE') naming `what`
 */
export async function withDeadline<T>(
  what: string,
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const link = linkedAbort(outer);
  const failure = new Failure(
    'DEADLINE',
    { what, limitMs },
    { message: `${what} took longer than ${String(limitMs / 1000)} s.` },
  );
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(failure);
      link.abort(failure);
    }, limitMs);
  });
  try {
    return await Promise.race([work(link.signal), expired]);
  } finally {
    clearTimeout(timer);
    link.release();
  }
}

/**
 * An abort controller that follows another signal until released.
 * (AbortSignal.any with a long-lived signal leaks on Node 20.)
 */
export function linkedAbort(outer?: AbortSignal): {
  signal: AbortSignal;
  abort: (reason?: unknown) => void;
  release: () => void;
} {
  const controller = new AbortController();
  const follow = () => {
    controller.abort(outer?.reason);
  };
  if (outer?.aborted === true) follow();
  outer?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    release: () => outer?.removeEventListener('abort', follow),
  };
}

export interface RetryOptions {
  attempts: number;
  firstDelayMs: number;
  maxDelayMs: number;
  /** False ends the retrying at once. */
  retryable: (error: unknown) => boolean;
  signal?: AbortSignal;
  clock?: Clock;
  onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/** Tries again with doubling delays; throws the last error. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attempts || !options.retryable(error)) throw error;
      const delayMs = Math.min(options.maxDelayMs, options.firstDelayMs * 2 ** (attempt - 1));
      options.onRetry?.(error, attempt, delayMs);
      await clock.sleep(delayMs, options.signal);
    }
  }
}
