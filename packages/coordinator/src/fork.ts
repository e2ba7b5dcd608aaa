import {
  identityOfRun,
  putDocument,
  readJson,
  runIdOf,
  runKeys,
  type Experiment,
  type PreparedRecord,
  type RunDocument,
  type TrainingPlan,
} from '@lvnet/experiments';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';

/** The step of a run that another one goes on from. */
export interface ForkOrigin {
  document: RunDocument;
  plan: TrainingPlan;
  step: number;
  /** d(step) of the parent's chain, which the fork continues. */
  digest: string;
}

export interface ForkContext {
  store: Store;
  /** Absent when nobody has to be woken. */
  registry: Registry | undefined;
  now: () => number;
}

/**
 * Submits a run that goes on from another one's step. Like any run it is named by its content: the same fork
 * is there already the second time. Its document comes last, so that nobody starts it half founded.
 *
 * @param writeStart writes the checkpoint that the run starts from; called for a new run only
 */
export async function submitFork(
  { store, registry, now }: ForkContext,
  origin: ForkOrigin,
  experiment: Experiment,
  writeStart: (run: string) => Promise<void>,
): Promise<{ document: RunDocument; created: boolean }> {
  const document = describeFork(origin, experiment, now());
  const key = runKeys.document(document.run);
  if ((await store.head(key)) === undefined) {
    await writeStart(document.run);
    for (const record of preparedRecords(origin.plan)) {
      await putDocument(store, runKeys.prepared(document.run, record.case), record);
    }
  }
  const created = await putDocument(store, key, document);
  await registry?.request({ kind: 'submitted', run: document.run });
  return { document: created ? document : await readJson(store, key), created };
}

function describeFork(
  { document, step, digest }: ForkOrigin,
  experiment: Experiment,
  nowMs: number,
): RunDocument {
  const { engine, split, run } = document;
  const content = { engine, experiment, split, again: 0, parent: { run, step, digest } };
  const identity = identityOfRun(content);
  return {
    ...content,
    ...{ version: 1, run: runIdOf(identity), name: experiment.name, identity, sweep: null },
    createdAt: new Date(nowMs).toISOString(),
    notes: [`forked from run ${run} after step ${String(step)}`],
  };
}

/** How the parent's cases were prepared: the fork's are the same. */
function preparedRecords({ cases }: TrainingPlan): PreparedRecord[] {
  const all = [...cases.train, ...cases.validation, ...cases.test];
  return [...new Map(all.map((record) => [record.case, record])).values()];
}
