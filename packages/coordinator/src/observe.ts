import {
  runKeys,
  type CaseResult,
  type FinishedDocument,
  type PreparedRecord,
  type Verdict,
} from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import { noFacts, type RunFacts, type RunRecord } from './cluster-state.js';
import { readJson } from '@lvnet/experiments';

/** Reads what the store shows of a run. Documents are immutable, so each is fetched once. */
export interface Observer {
  facts(run: RunRecord): Promise<RunFacts>;
}

export function createObserver(store: Store): Observer {
  const cache = new Map<string, unknown>();
  const read = async <T>(key: string): Promise<T> => {
    const known = cache.get(key);
    if (known !== undefined) return known as T;
    const value = await readJson<T>(store, key);
    cache.set(key, value);
    return value;
  };
  const folder = async <T>(prefix: string, wantedKey: (key: string) => boolean): Promise<T[]> => {
    const values: T[] = [];
    for await (const { key } of store.list(prefix)) if (wantedKey(key)) values.push(await read<T>(key));
    return values;
  };
  const optional = async <T>(key: string): Promise<T | null> =>
    (await store.head(key)) === undefined ? null : read<T>(key);

  return {
    async facts(run) {
      const id = run.document.run;
      const preparing = run.state === 'queued' || run.state === 'preparing' || run.state === 'paused';
      const plan = await optional<{ stepsPerEpoch: number }>(runKeys.plan(id));
      const prepared =
        preparing || plan === null
          ? await folder<PreparedRecord>(runKeys.preparedFolder(id), isJson)
          : run.facts.prepared;
      if (plan === null) return { ...noFacts, prepared };
      return {
        prepared,
        planned: true,
        epochEnds: await epochEnds(store, id, plan.stepsPerEpoch),
        results: await folder<CaseResult>(runKeys.validationFolder(id), isCaseResult),
        verdicts: (await folder<Verdict>(runKeys.validationFolder(id), isVerdict)).sort(
          (a, b) => a.step - b.step,
        ),
        finished: await optional<FinishedDocument>(runKeys.finished(id)),
        reported: (await store.head(runKeys.report(id))) !== undefined,
      };
    },
  };
}

/** Complete checkpoints (their manifest is there) whose step closes an epoch, in order. */
async function epochEnds(store: Store, run: string, perEpoch: number): Promise<RunFacts['epochEnds']> {
  const ends: { epoch: number; step: number }[] = [];
  for await (const { key } of store.list(`runs/${run}/checkpoints/`)) {
    const step = Number(/\/checkpoints\/(\d+)\/manifest\.json$/.exec(key)?.[1] ?? Number.NaN);
    if (step > 0 && step % perEpoch === 0) ends.push({ epoch: step / perEpoch, step });
  }
  return ends.sort((a, b) => a.step - b.step);
}

const isJson = (key: string) => key.endsWith('.json');
const isVerdict = (key: string) => key.endsWith('/verdict.json');
const isCaseResult = (key: string) => isJson(key) && !isVerdict(key);
