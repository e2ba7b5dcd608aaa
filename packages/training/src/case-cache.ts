import { invariant } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import { loadPrepared, type PreparedCase } from '@lvnet/volumes';
import type { TrainingCase } from './spec.js';

/** Prepared cases in memory, the longest unused ones going first. */
export interface CaseCache {
  load(id: string): Promise<PreparedCase>;
}

const limitBytes = 512 * 2 ** 20;

export function createCaseCache(store: Store, cases: readonly TrainingCase[]): CaseCache {
  const known = new Map(cases.map((item) => [item.case, item]));
  const loaded = new Map<string, PreparedCase>();
  let bytes = 0;
  const sizeOf = (prepared: PreparedCase) => prepared.image.byteLength + prepared.label.byteLength;
  const makeRoom = () => {
    for (const [id, prepared] of loaded) {
      if (bytes <= limitBytes || loaded.size === 1) return;
      loaded.delete(id);
      bytes -= sizeOf(prepared);
    }
  };
  return {
    async load(id) {
      const cached = loaded.get(id);
      if (cached !== undefined) {
        loaded.delete(id); // moves to the end: a Map keeps the order of insertion
        loaded.set(id, cached);
        return cached;
      }
      const item = known.get(id);
      invariant(item !== undefined, `case ${id} belongs to the run`);
      const prepared = await loadPrepared(store, item.prepared, item.sha256);
      if (!loaded.has(id)) {
        loaded.set(id, prepared);
        bytes += sizeOf(prepared);
        makeRoom();
      }
      return prepared;
    },
  };
}
