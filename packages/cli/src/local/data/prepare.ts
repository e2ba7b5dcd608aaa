import { asFailure, counted, Failure, type FailureCode } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import {
  ensurePrepared,
  hashCase,
  listCases,
  transformFor,
  type CaseFiles,
  type CaseTransform,
  type StoredCase,
} from '@lvnet/volumes';
import { print, say } from '../../cluster/print.js';
import { inParallel } from '../in-parallel.js';
import { interruptible } from '../interruptible.js';
import { hashCachePath, withStoreAt } from '../places.js';

export interface PrepareFlags {
  patch: [number, number, number];
  window: [number, number];
  store?: string;
  jobs: number;
  json?: boolean;
}

interface PreparedCaseReport extends StoredCase {
  case: string;
  contentSha256: string;
}

interface Problem {
  case: string | null;
  code: FailureCode;
  message: string;
}

interface Outcome {
  cases: PreparedCaseReport[];
  problems: Problem[];
}

/** Prepares what can be prepared, then says what could not; a store that fails ends it at once. */
export async function prepareData(folder: string, flags: PrepareFlags): Promise<void> {
  const listing = await listCases(folder);
  const labelled = listing.cases.filter((item) => item.label !== undefined);
  const transform = transformFor({ windowHu: flags.window, patch: flags.patch });
  await withStoreAt(flags.store, async (store) => {
    const outcome: Outcome = { cases: [], problems: listing.problems.map((item) => problemOf(null, item)) };
    await interruptible(
      (signal) =>
        inParallel(labelled, flags.jobs, signal, (files) =>
          prepareOne(store, files, transform, outcome, signal),
        ),
      () => `${String(outcome.cases.length)} of ${counted(labelled.length, 'case')} prepared; they stay.`,
    );
    outcome.cases.sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }));
    if (outcome.problems.length > 0) throw unprepared(folder, store, outcome);
    const { cases } = outcome;
    const unlabelled = listing.cases.length - labelled.length;
    const created = cases.filter((item) => item.created).length;
    const { windowHu, rows, columns } = transform;
    print(
      flags.json === true,
      { store: store.url, windowHu, rows, columns, created, unlabelled, cases },
      () => [
        `${counted(created, 'case')} prepared, ${String(cases.length - created)} were there already: ${store.url}`,
        ...(unlabelled === 0 ? [] : [`${counted(unlabelled, 'scan')} without a segmentation left out`]),
      ],
    );
  });
}

async function prepareOne(
  store: Store,
  files: CaseFiles,
  transform: CaseTransform,
  outcome: Outcome,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { contentSha256 } = await hashCase(files, { cachePath: hashCachePath() });
    const stored = await ensurePrepared(store, contentSha256, transform, () => files, { signal });
    outcome.cases.push({ case: files.id, contentSha256, ...stored });
    say(`case ${files.id}: ${stored.created ? 'prepared' : 'there already'}`);
    for (const warning of stored.warnings) say(`case ${files.id}: warning: ${warning}`);
  } catch (error) {
    const failure = asFailure(error);
    if (!ofTheCase.has(failure.code)) throw error;
    outcome.problems.push(problemOf(files.id, failure));
    say(`case ${files.id}: ${failure.message}`);
  }
}

/** What is wrong with one case and leaves the others alone. */
const ofTheCase: ReadonlySet<FailureCode> = new Set([
  'NIFTI_INVALID',
  'VOLUME_INVALID',
  'VOLUME_SHAPE_MISMATCH',
  'FILE_NOT_FOUND',
]);

function problemOf(id: string | null, { code, message, details }: Failure): Problem {
  const named = details['case'];
  return { case: id ?? (typeof named === 'string' ? named : null), code, message };
}

function unprepared(folder: string, store: Store, { cases, problems }: Outcome): Failure {
  const names = problems.flatMap((problem) => problem.case ?? []).join(', ');
  const [first] = problems;
  return new Failure(
    'DATASET_INVALID',
    { folder, store: store.url, prepared: cases, problems },
    {
      message: `${counted(cases.length, 'case')} prepared, ${String(problems.length)} could not be (${names}): ${first?.message ?? ''}`,
      hint: `lvnet data check ${folder} says what is wrong with each.`,
    },
  );
}
