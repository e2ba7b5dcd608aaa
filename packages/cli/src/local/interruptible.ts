import { Failure } from '@lvnet/core';
import { say } from '../cluster/print.js';
import { stopSignal } from '../cluster/stop-signal.js';

/**
 * Runs work that Ctrl-C stops in order, at the next place where nothing is half done; a second Ctrl-C stops
 * at once.
 *
 * @param standing how far the work came, said when it was stopped
 * @throws Failure('CANCELLED') when it was stopped, and what the work throws
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  standing: () => string,
): Promise<T> {
  const stop = stopSignal(() => {
    say('Stopping. Ctrl-C again stops at once.');
  });
  try {
    const result = await work(stop.signal);
    if (stop.signal.aborted) throw stopped(standing());
    return result;
  } catch (error) {
    throw stop.signal.aborted && isCancelled(error) ? stopped(standing()) : error;
  } finally {
    stop.release();
  }
}

const isCancelled = (error: unknown): boolean => error instanceof Failure && error.code === 'CANCELLED';

const stopped = (message: string): Failure => new Failure('CANCELLED', {}, { message });
