import { Failure } from './failure.js';

/** Time as an argument: production code takes one, tests pass a fake. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Milliseconds of a clock that never goes back. */
  monotonicMs: () => number;
  /** Rejects with Failure('CANCELLED') when the signal aborts. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(cancelled(signal));
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(cancelled(signal));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, durationMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

const cancelled = (signal: AbortSignal | undefined): Failure =>
  new Failure('CANCELLED', {}, { message: 'The wait was cancelled.', cause: signal?.reason });

export const sleep = (durationMs: number, signal?: AbortSignal): Promise<void> =>
  systemClock.sleep(durationMs, signal);

export interface FakeClock extends Clock {
  /** Moves time and wakes every sleeper that is due, in order. */
  advance(durationMs: number): Promise<void>;
}

/** A clock that moves only when told to. */
export function fakeClock(startMs = 0): FakeClock {
  let nowMs = startMs;
  let sleepers: { dueMs: number; wake: () => void }[] = [];
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (durationMs, signal) =>
      new Promise((resolve, reject) => {
        const onAbort = () => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(cancelled(signal));
        };
        const sleeper = {
          dueMs: nowMs + durationMs,
          wake() {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        if (signal?.aborted === true) {
          reject(cancelled(signal));
          return;
        }
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.push(sleeper);
      }),
    async advance(durationMs) {
      const untilMs = nowMs + durationMs;
      for (;;) {
        const due = sleepers.filter((s) => s.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (due === undefined) break;
        sleepers = sleepers.filter((s) => s !== due);
        nowMs = due.dueMs;
        due.wake();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      nowMs = untilMs;
    },
  };
}
