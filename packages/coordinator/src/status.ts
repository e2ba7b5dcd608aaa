import { Failure } from '@lvnet/core';
import {
  documentIds,
  readJson,
  readRunEvents,
  runKeys,
  type CaseResult,
  type FinishedDocument,
  type RunDocument,
  type RunEvent,
  type RunState,
  type TrainingPlan,
  type Verdict,
} from '@lvnet/experiments';
import type { Registry, RunProgress } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import { isOver } from './cluster-state.js';

/** The JSON of `lvnet status`, with what the terminal view adds. */
export interface RunStatus {
  run: string;
  name: string;
  state: RunState;
  step: number;
  epoch: number;
  digest: string | null;
  members: RunProgress['members'];
  losses: Record<string, number> | null;
  metrics: { dice: number | null; best: Verdict['best'] };
  checkpoint: { step: number; ref: string } | null;
  reason: string | null;
  stepsTotal: number | null;
  samplesPerSecond: number | null;
  etaSeconds: number | null;
  validations: { epoch: number; step: number; dice: number | null }[];
  events: RunEvent[];
  notes: string[];
}

/** Joins what the store holds for good with what control Redis knows of the moment. */
export async function readStatus(
  store: Store,
  registry: Pick<Registry, 'progress'> | undefined,
  run: string,
): Promise<RunStatus> {
  const document = await readJson<RunDocument>(store, runKeys.document(run));
  const events = await readRunEvents(store, run);
  const last = events.at(-1);
  const progress = await registry?.progress(run).catch(() => undefined);
  const plan = await readOptional<TrainingPlan>(store, runKeys.plan(run));
  const verdicts = await readVerdicts(store, run);
  const checkpoint = await newestCheckpoint(store, run);
  const state = last?.state ?? 'queued';
  // Where a run ended the store knows; the last progress may have been lost, or be that of another step.
  const ended = await readOptional<FinishedDocument>(store, runKeys.finished(run));
  const step = ended?.step ?? progress?.step ?? checkpoint ?? 0;
  return {
    run,
    name: document.name,
    state,
    step,
    epoch: ended?.epoch ?? progress?.epoch ?? (plan === null ? 0 : Math.floor(step / plan.stepsPerEpoch)),
    digest: ended?.digest ?? progress?.digest ?? null,
    members: state === 'running' ? (progress?.members ?? []) : [],
    losses: progress?.losses ?? null,
    metrics: { dice: verdicts.at(-1)?.dice ?? null, best: verdicts.at(-1)?.best ?? null },
    checkpoint:
      checkpoint === null
        ? null
        : { step: checkpoint, ref: `${store.url}/runs/${run}/checkpoints/${String(checkpoint)}` },
    reason: reasonOf(events),
    stepsTotal: plan?.stepsTotal ?? null,
    samplesPerSecond: state === 'running' ? (progress?.samplesPerSecond ?? null) : null,
    etaSeconds: state === 'running' ? eta(progress) : null,
    validations: verdicts.map(({ epoch, step: at, dice }) => ({ epoch, step: at, dice })),
    events,
    notes: document.notes,
  };
}

/** A run's id, a unique prefix of one, or the newest run of that name. */
export async function resolveRun(store: Store, reference: string): Promise<string> {
  const ids = await documentIds(store, 'runs/', 'run.json');
  if (ids.includes(reference)) return reference;
  const byPrefix = reference.length >= 2 ? ids.filter((id) => id.startsWith(reference)) : [];
  if (byPrefix.length === 1 && byPrefix[0] !== undefined) return byPrefix[0];
  if (byPrefix.length > 1) {
    throw new Failure(
      'RUN_AMBIGUOUS',
      { reference, candidates: byPrefix },
      { message: `${reference} could be ${byPrefix.join(', ')}.`, hint: 'Give more letters of the id.' },
    );
  }
  const documents = await Promise.all(ids.map((id) => readJson<RunDocument>(store, runKeys.document(id))));
  const named = documents
    .filter((document) => document.name === reference)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  if (named[0] !== undefined) return named[0].run;
  throw new Failure(
    'RUN_NOT_FOUND',
    { reference },
    { message: `There is no run ${reference} in ${store.url}.`, hint: 'lvnet ls shows the runs.' },
  );
}

export async function listRuns(store: Store, registry: Registry | undefined): Promise<RunStatus[]> {
  const ids = await documentIds(store, 'runs/', 'run.json');
  return Promise.all(ids.map((id) => readStatus(store, registry, id)));
}

function eta(progress: RunProgress | undefined): number | null {
  if (progress === undefined || progress.stepSeconds <= 0) return null;
  return (progress.stepsTotal - progress.step) * progress.stepSeconds;
}

async function readOptional<T>(store: Store, key: string): Promise<T | null> {
  return (await store.head(key)) === undefined ? null : readJson<T>(store, key);
}

async function readVerdicts(store: Store, run: string): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for await (const { key } of store.list(runKeys.validationFolder(run))) {
    if (key.endsWith('/verdict.json')) verdicts.push(await readJson<Verdict>(store, key));
  }
  return verdicts.sort((a, b) => a.step - b.step);
}

export async function readCaseResults(store: Store, run: string): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for await (const { key } of store.list(runKeys.validationFolder(run))) {
    if (key.endsWith('.json') && !key.endsWith('/verdict.json'))
      results.push(await readJson<CaseResult>(store, key));
  }
  return results;
}

async function newestCheckpoint(store: Store, run: string): Promise<number | null> {
  let newest: number | null = null;
  for await (const { key } of store.list(`runs/${run}/checkpoints/`)) {
    const step = /\/checkpoints\/(\d+)\/manifest\.json$/.exec(key)?.[1];
    if (step !== undefined) newest = Math.max(newest ?? 0, Number(step));
  }
  return newest;
}

/** Why the run is where it is: what happened last, or what ended it, whatever was told after that. */
function reasonOf(events: readonly RunEvent[]): string | null {
  const last = events.at(-1);
  if (last === undefined) return null;
  const telling = isOver(last.state) ? events.find(({ state }) => state === last.state) : last;
  return telling?.text ?? null;
}
