import { isCompleteCheckpoint } from '@lvnet/checkpoints';
import { Failure, invariant, sha256Hex, type Clock } from '@lvnet/core';
import {
  putDocument,
  readJson,
  readRunEvents,
  runKeys,
  type CaseResult,
  type FinishedDocument,
  type PreparedRecord,
  type RunDocument,
  type TrainingPlan,
  type Verdict,
} from '@lvnet/experiments';
import type { PrepareJob, ValidateJob } from '@lvnet/queue';
import type { Store } from '@lvnet/store';

interface TaskParts {
  store: Store;
  clock: Clock;
}

/** A worker's tasks with toys for data and network; the same documents in the same order as the real ones. */
export async function prepareToy(job: PrepareJob, { store, clock }: TaskParts): Promise<void> {
  const key = runKeys.prepared(job.run, job.case);
  if ((await store.head(key)) !== undefined) return;
  await readJson<RunDocument>(store, runKeys.document(job.run));
  await clock.sleep(200);
  const prepared = sha256Hex(job.case);
  await store.put(`cases/${prepared}.safetensors`, job.case);
  const record: PreparedRecord = {
    ...{ case: job.case, prepared, sha256: prepared, depth: 32, rows: 32, columns: 32 },
    ...{ liver: [4, 20], warnings: [] },
  };
  await putDocument(store, key, record);
}

/** What a toy network comes to: better and worse from epoch to epoch. */
export const toyDice = (run: string, step: number, id: string): number =>
  parseInt(sha256Hex(`${run} ${String(step)} ${id}`).slice(0, 8), 16) / 2 ** 32;

export async function validateToy(
  job: Extract<ValidateJob, { subject: 'case' }>,
  { store, clock }: TaskParts,
): Promise<void> {
  const key = runKeys.caseResult(job.run, job.step, job.split, job.case);
  if ((await store.head(key)) !== undefined) return;
  const startMs = clock.monotonicMs();
  const plan = await readJson<TrainingPlan>(store, runKeys.plan(job.run));
  invariant(
    plan.cases[job.split].some((item) => item.case === job.case),
    `case ${job.case} is in the plan of its run`,
  );
  if (!(await isCompleteCheckpoint(store, job.run, job.step)))
    throw new Failure('CHECKPOINT_NOT_FOUND', {}, { message: `no checkpoint of step ${String(job.step)}` });
  await clock.sleep(300);
  const dice = toyDice(job.run, job.step, job.case);
  const result: CaseResult = {
    ...{ case: job.case, split: job.split, step: job.step, volumeMl: 1 },
    metrics: { dice, voe: 0, rvd: 0, rvdAbs: 0, assdMm: 0, rmsdMm: 0, mssdMm: 0, hd95Mm: 0 },
    seconds: (clock.monotonicMs() - startMs) / 1_000,
  };
  await putDocument(store, key, result);
}

export async function reportToy(run: string, { store, clock }: TaskParts): Promise<void> {
  if ((await store.head(runKeys.report(run))) !== undefined) return;
  await readJson<RunDocument>(store, runKeys.document(run));
  const finished = await readJson<FinishedDocument>(store, runKeys.finished(run));
  const results: CaseResult[] = [];
  const verdicts: Verdict[] = [];
  for await (const { key } of store.list(runKeys.validationFolder(run))) {
    if (key.endsWith('/verdict.json')) verdicts.push(await readJson<Verdict>(store, key));
    else results.push(await readJson<CaseResult>(store, key));
  }
  const best = verdicts.sort((a, b) => a.step - b.step).at(-1)?.best ?? null;
  const step = best?.step ?? finished.step;
  await clock.sleep(300);
  const cases = results
    .filter((result) => result.step === step)
    .map(({ case: id, metrics }) => ({ id, metrics }));
  const events = await readRunEvents(store, run);
  const report = { run, best, cases, events, finalDigest: finished.digest };
  await putDocument(store, runKeys.report(run), report);
}
