import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';

/**
 * The number of a run's new life: one more than any before, claimed in the store so that it survives
 * the loss of every Redis. Of several claimants each gets another number.
 */
export async function nextLife(store: Store, run: string): Promise<number> {
  const prefix = `runs/${run}/lives/`;
  let highest = 0;
  for await (const { key } of store.list(prefix)) {
    highest = Math.max(highest, Number(/^(\d+)$/.exec(key.slice(prefix.length))?.[1] ?? 0));
  }
  for (let life = highest + 1; ; life++) {
    try {
      await store.put(`${prefix}${String(life)}`, `${new Date().toISOString()}\n`, { ifAbsent: true });
      return life;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'STORE_CONFLICT') throw error;
    }
  }
}
