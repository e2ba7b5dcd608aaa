import { Failure } from '@lvnet/core';

/**
 * Does the work for every item, so many at a time, in order of their start. The first error ends it: no
 * further item is begun, and it is thrown once those under way have ended.
 *
 * @throws Failure('CANCELLED') when the signal aborts before all are begun
 */
export async function inParallel<T>(
  items: readonly T[],
  lanes: number,
  signal: AbortSignal,
  work: (item: T, position: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed: { error: unknown } | undefined;
  const lane = async () => {
    while (next < items.length && failed === undefined) {
      const position = next++;
      try {
        if (signal.aborted) throw cancelled();
        await work(items[position] as T, position);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
  if (failed !== undefined) throw failed.error;
}

const cancelled = () => new Failure('CANCELLED', {}, { message: 'Stopped before all were begun.' });
