import { Failure } from '@lvnet/core';
import { bestTrial, runKeys, type RunState, type SweepDocument, type TrialOutcome } from '@lvnet/experiments';
import type { Registry } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import { documentIds, readJson } from '@lvnet/experiments';
import { readStatus } from './status.js';

/** The JSON of a sweep's status. */
export interface SweepStatus {
  sweep: string;
  name: string;
  state: 'running' | 'done';
  trials: TrialOutcome[];
  best: TrialOutcome | null;
  report: string | null;
}

export async function readSweepStatus(
  store: Store,
  registry: Registry | undefined,
  sweep: string,
): Promise<SweepStatus> {
  const document = await readJson<SweepDocument>(store, runKeys.sweep(sweep));
  const trials: TrialOutcome[] = [];
  for (const trial of document.trials) {
    const submitted = (await store.head(runKeys.document(trial.run))) !== undefined;
    const status = submitted ? await readStatus(store, registry, trial.run) : null;
    trials.push({
      run: trial.run,
      values: trial.values,
      state: status?.state ?? ('queued' satisfies RunState),
      objective: status?.metrics.best?.dice ?? null,
      steps: status?.step ?? 0,
    });
  }
  const reported = (await store.head(runKeys.sweepTrials(sweep))) !== undefined;
  return {
    sweep,
    name: document.name,
    state: reported ? 'done' : 'running',
    trials,
    best: bestTrial(trials, document.objective),
    report: reported ? `${store.url}/sweeps/${sweep}/report.html` : null,
  };
}

/** A sweep's id, a unique prefix of one, or the newest sweep of that name; undefined when there is none. */
export async function resolveSweep(store: Store, reference: string): Promise<string | undefined> {
  const ids = await documentIds(store, 'sweeps/', 'sweep.json');
  if (ids.includes(reference)) return reference;
  const byPrefix = reference.length >= 2 ? ids.filter((id) => id.startsWith(reference)) : [];
  if (byPrefix.length === 1) return byPrefix[0];
  if (byPrefix.length > 1) {
    throw new Failure(
      'RUN_AMBIGUOUS',
      { reference, candidates: byPrefix },
      { message: `${reference} could be ${byPrefix.join(', ')}.`, hint: 'Give more letters of the id.' },
    );
  }
  const documents = await Promise.all(ids.map((id) => readJson<SweepDocument>(store, runKeys.sweep(id))));
  return documents
    .filter((document) => document.name === reference)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt))[0]?.sweep;
}
