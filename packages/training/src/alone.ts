import { sumAlone, type Retry, type WireFormat } from '@lvnet/exchange';
import type { Reducer } from './stepper.js';

/**
 * The sum without anybody else and without Redis: the same bytes. What members find out together about a bad
 * shard, it finds out by itself: nobody else could compute it otherwise.
 *
 * @param o.order in which the shards are computed; it makes no difference
 */
export function aloneReducer(
  shards: number,
  length: number,
  o: { wire: WireFormat; roundedLength: number; order?: readonly number[] },
): Reducer {
  let retry: Retry | null = null;
  const again = (step: number): Retry =>
    retry?.step === step
      ? { ...retry, attempt: retry.attempt + 1 }
      : { step, attempt: 1, barred: [], skip: [] };
  return {
    async reduce(step, _weightsSha256, compute) {
      const now = retry?.step === step ? retry : null;
      const leaves = Array.from({ length: shards }, () => new Float32Array(length));
      for (const shard of o.order ?? leaves.keys()) {
        const isSkipped = now?.skip.includes(shard) === true;
        const finite = await compute(shard, leaves[shard] as Float32Array, isSkipped);
        if (!finite) return { kind: 'badShard', shard };
      }
      const attempt = now?.attempt ?? 0;
      return { kind: 'reduced', attempt, sum: sumAlone(leaves, o), retry: now, waitSeconds: 0 };
    },
    commit: () => Promise.resolve(true),
    discard(step, attempt, shard, loss) {
      const next = again(step);
      const barred = { shard, worker: 'alone', why: 'loss spike', attempt, loss } as const;
      retry = { ...next, barred: [...next.barred, barred] };
      return Promise.resolve();
    },
    skip(step, shard) {
      const next = again(step);
      retry = { ...next, skip: [...next.skip, shard] };
      return Promise.resolve();
    },
  };
}
