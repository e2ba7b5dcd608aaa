import { randomInt } from 'node:crypto';
import { identityOfRun } from '@lvnet/experiments';
import { runIdOf, type RunDocument } from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import { drawSteps, readBooks, recomputeSteps, type Books, type Recomputed } from '@lvnet/training';
import { print, say } from '../../cluster/print.js';
import { interruptible } from '../interruptible.js';
import { withStoreAt } from '../places.js';
import { auditLines, type Audit } from './audit-view.js';
import { openEngineLike } from './engine-like.js';
import { notTrained, readRecordedRun, startWeightsOf, type RecordedRun } from './recorded-run.js';

export interface AuditFlags {
  steps: number;
  seed?: number;
  threads?: number;
  store?: string;
  json?: boolean;
}

/** Checks a run's books, does some of its steps again, and says whether all holds. */
export async function audit(reference: string, flags: AuditFlags): Promise<void> {
  const seed = flags.seed ?? randomInt(2 ** 31);
  const result = await withStoreAt(flags.store, async (store) => {
    const recorded = await readRecordedRun(store, reference);
    const { spec, document, finished } = recorded;
    const startWeights = await startWeightsOf(store, recorded);
    const books = await readBooks(store, {
      spec,
      finished,
      ...(startWeights === undefined ? {} : { startWeights }),
    });
    if (books.lastStep === books.startStep) throw notTrained(document.run);
    const recomputed = await recompute(store, recorded, books, { ...flags, seed });
    return verdictOn(recorded, books, recomputed, seed);
  });
  print(flags.json === true, result, () => auditLines(result));
  if (!result.holds) process.exitCode = 1;
}

async function recompute(
  store: Store,
  { spec, document }: RecordedRun,
  books: Books,
  o: { steps: number; seed: number; threads?: number },
): Promise<Recomputed[]> {
  const steps = drawSteps(books, o.steps, o.seed);
  if (steps.length === 0) return [];
  const engine = await openEngineLike(document, o.threads);
  const { wire } = document.experiment.exchange;
  let toldMs = performance.now();
  const onProgress = (step: number, toStep: number) => {
    if (performance.now() - toldMs < tellEveryMs) return;
    toldMs = performance.now();
    say(`step ${String(step)} done again, on to step ${String(toStep)}`);
  };
  return interruptible(
    (signal) => recomputeSteps({ spec, wire, engine, store, books, steps, signal, onProgress }),
    () => `The books ${books.problems.length === 0 ? 'hold' : 'do not hold'}; not all steps were done again.`,
  );
}

const tellEveryMs = 5_000;

function verdictOn({ document }: RecordedRun, books: Books, recomputed: Recomputed[], seed: number): Audit {
  const differing = recomputed.filter(({ holds }) => !holds).map(asProblem);
  const holds = (kind: string) => books.problems.every((problem) => problem.kind !== kind);
  const problems = [...strangeDocument(document), ...books.problems, ...differing];
  return {
    ...{ run: document.run, name: document.name, holds: problems.length === 0 },
    steps: { first: books.startStep + 1, last: books.lastStep },
    digest: books.records.at(-1)?.digest ?? null,
    chain: { holds: holds('chain'), checkpoints: books.manifests.map(({ step }) => step) },
    ledger: { holds: holds('ledger'), epochs: books.ledger },
    ...{ seed, recomputed, problems },
  };
}

/** A run is named after its content: who alters its document contradicts its name. */
function strangeDocument(document: RunDocument): Audit['problems'] {
  const identity = identityOfRun(document);
  if (identity === document.identity && runIdOf(identity) === document.run) return [];
  const message =
    'run.json does not give the run its name: it was altered, or written by another version of lvnet';
  return [{ kind: 'document', step: null, message }];
}

function asProblem({ step, message, tensor }: Recomputed): Audit['problems'][number] {
  const where = tensor === null ? '' : `, first in ${tensor}`;
  return { kind: 'recomputed', step, message: `done again: ${message ?? ''}${where}` };
}
