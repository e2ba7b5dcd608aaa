import { runKeys, type RunDocument, type SweepDocument } from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { ClusterEvent, ClusterState } from './cluster-state.js';
import { documentIds, readJson } from '@lvnet/experiments';
import { readRunEvents } from '@lvnet/experiments';

/** Runs and sweeps that the store holds and the state does not know yet. */
export async function rediscover(store: Store, state: ClusterState): Promise<ClusterEvent[]> {
  const events: ClusterEvent[] = [];
  for (const run of await documentIds(store, 'runs/', 'run.json')) {
    if (!state.runs.has(run)) events.push(await findRun(store, run));
  }
  for (const sweep of await documentIds(store, 'sweeps/', 'sweep.json')) {
    if (state.sweeps.get(sweep)?.reported === true) continue;
    const document = await readJson<SweepDocument>(store, runKeys.sweep(sweep));
    const reported = (await store.head(runKeys.sweepTrials(sweep))) !== undefined;
    events.push({ kind: 'sweepFound', document, reported });
  }
  return events;
}

export async function findRun(store: Store, run: string): Promise<ClusterEvent> {
  const document = await readJson<RunDocument>(store, runKeys.document(run));
  const last = (await readRunEvents(store, run)).at(-1);
  return { kind: 'runFound', document, state: last?.state ?? 'queued', reason: last?.text ?? null };
}
