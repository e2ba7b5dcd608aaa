import { canonicalJson } from '@lvnet/core';
import { nextDigest } from './digest.js';
import { weightsName, type Manifest } from './manifest.js';
import type { StepRecord } from './step-records.js';

/** What a run left of its past, as plain data. */
export interface RecordedRun {
  /** What the first step started from: the initial weights, or the step that the run was forked after. */
  start: { step: number; digest: string; weights: string | null };
  /** Records as they lie in the store: in any order, some of them twice. */
  records: readonly StepRecord[];
  /** Of complete checkpoints. */
  manifests: readonly Manifest[];
  /** How the run ended, if it did. */
  finished: { step: number; digest: string } | null;
}

interface ChainProblem {
  step: number;
  message: string;
}

export interface ChainCheck {
  /** One record a step, in order. */
  records: StepRecord[];
  /** The last step that anything speaks of. */
  lastStep: number;
  problems: ChainProblem[];
}

/**
 * Follows the chain of digests from step to step: d(s) = SHA-256(d(s-1), s, sample ids, SHA-256 of the weights
 * after s). Every record must be there and give its digest; checkpoints and the run's end must be links of it.
 */
export function checkChain(run: RecordedRun): ChainCheck {
  const { byStep, problems } = onceEach(run.records);
  const { start } = run;
  const spoken = [...byStep.keys(), ...run.manifests.map(({ step }) => step), run.finished?.step ?? 0];
  const lastStep = Math.max(start.step, ...spoken);
  problems.push(...missingRecords(byStep, start.step, lastStep));
  problems.push(...brokenLinks(byStep, run, lastStep));
  for (const manifest of run.manifests) problems.push(...strangeCheckpoint(manifest, byStep, start));
  problems.push(...strangeEnd(run.finished, byStep));
  const records = [...byStep.values()].filter(({ step }) => step > start.step);
  return {
    records: records.sort((a, b) => a.step - b.step),
    lastStep,
    problems: problems.sort((a, b) => a.step - b.step),
  };
}

function onceEach(records: readonly StepRecord[]): {
  byStep: Map<number, StepRecord>;
  problems: ChainProblem[];
} {
  const byStep = new Map<number, StepRecord>();
  const twice = new Set<number>();
  for (const record of records) {
    const known = byStep.get(record.step);
    if (known === undefined) byStep.set(record.step, record);
    else if (resultOf(known) !== resultOf(record)) twice.add(record.step);
  }
  const problems = [...twice].map((step) => ({ step, message: 'was recorded twice with different results' }));
  return { byStep, problems };
}

/** Seconds differ whenever a step is done again. */
const resultOf = ({ seconds: _seconds, ...result }: StepRecord): string => canonicalJson(result);

/** One problem for each gap. */
function missingRecords(byStep: ReadonlyMap<number, unknown>, from: number, to: number): ChainProblem[] {
  const problems: ChainProblem[] = [];
  for (let step = from + 1; step <= to; step++) {
    if (byStep.has(step)) continue;
    const first = step;
    while (step < to && !byStep.has(step + 1)) step++;
    const message = first === step ? 'has no record' : `up to step ${String(step)}: have no records`;
    problems.push({ step: first, message });
  }
  return problems;
}

function brokenLinks(
  byStep: ReadonlyMap<number, StepRecord>,
  { start, manifests }: RecordedRun,
  lastStep: number,
): ChainProblem[] {
  const problems: ChainProblem[] = [];
  const stored = new Map(manifests.map(({ step, digest }) => [step, digest]));
  let before: readonly string[] = [start.digest];
  for (let step = start.step + 1; step <= lastStep; step++) {
    const record = byStep.get(step);
    if (record === undefined) {
      const known = stored.get(step);
      before = known === undefined ? [] : [known]; // after a gap only a checkpoint can take the chain up again
      continue;
    }
    const { digest, samples, weights } = record;
    if (weights === undefined) {
      problems.push({ step, message: 'its record does not say which weights it led to' });
      before = [digest];
      continue;
    }
    const right = before.map((previous) => nextDigest(previous, step, samples, weights));
    if (right.length === 0 || right.includes(digest)) {
      before = [digest];
      continue;
    }
    problems.push({ step, message: 'its record does not give its digest: it was altered' });
    // What was altered may be the digest or what it is made of: the next step shall not be blamed for either.
    before = [digest, ...right];
  }
  return problems;
}

function strangeCheckpoint(
  { step, digest, files, lossHistory }: Manifest,
  byStep: ReadonlyMap<number, StepRecord>,
  start: RecordedRun['start'],
): ChainProblem[] {
  const record = step === start.step ? start : byStep.get(step);
  if (record === undefined) return []; // told of as missing
  const problems: ChainProblem[] = [];
  if (digest !== record.digest) problems.push({ step, message: 'its checkpoint has another digest' });
  const sha256 = files.find(({ name }) => name === weightsName)?.sha256;
  if (typeof record.weights === 'string' && sha256 !== record.weights) {
    problems.push({ step, message: 'its checkpoint holds other weights than the step led to' });
  }
  const first = step - lossHistory.length + 1;
  for (const [i, loss] of lossHistory.entries()) {
    const known = byStep.get(first + i);
    if (known === undefined || known.loss === loss) continue;
    const message = `its record has another loss than checkpoint ${String(step)} remembers`;
    problems.push({ step: first + i, message });
  }
  return problems;
}

function strangeEnd(
  finished: RecordedRun['finished'],
  byStep: ReadonlyMap<number, StepRecord>,
): ChainProblem[] {
  const record = finished === null ? undefined : byStep.get(finished.step);
  if (finished === null || record === undefined || record.digest === finished.digest) return [];
  return [{ step: finished.step, message: 'the run finished with another digest' }];
}
