import type { Experiment } from './experiment.js';

/**
 * The JSON documents of a run in the store, as plain data. All are immutable once written: whoever
 * writes one a second time writes the same bytes, so they are put "if absent".
 */
export interface RunDocument {
  version: 1;
  run: string;
  name: string;
  identity: string;
  /** Counts deliberate repetitions of the same experiment (`--again`), 0 for the first. */
  again: number;
  parent: { run: string; step: number; digest: string } | null;
  /** The given weights that the first step starts from: their SHA-256, and where they were found. */
  weights?: { sha256: string; from: string };
  sweep: { sweep: string; trial: number } | null;
  createdAt: string;
  engine: { kind: string; fingerprint: string };
  experiment: Experiment;
  split: RunSplit;
  notes: string[];
}

export interface RunSplit {
  train: SplitCase[];
  validation: SplitCase[];
  test: SplitCase[];
}

export interface SplitCase {
  case: string;
  contentSha256: string;
}

/** One case after preparation: where its prepared form lies and what the sampler must know. */
export interface PreparedRecord {
  case: string;
  /** The object `cases/<prepared>.safetensors`. */
  prepared: string;
  sha256: string;
  depth: number;
  rows: number;
  columns: number;
  /** First and last slice that meet the liver. */
  liver: [number, number] | null;
  warnings: string[];
}

/** Everything a trainer needs beside the experiment; written once all cases are prepared. */
export interface TrainingPlan {
  version: 1;
  run: string;
  stepsPerEpoch: number;
  stepsTotal: number;
  cases: Record<SplitName, PreparedRecord[]>;
}

export type SplitName = 'train' | 'validation' | 'test';

/** Metrics of one case for the checkpoint of one step. */
export interface CaseResult {
  case: string;
  split: SplitName;
  step: number;
  metrics: Record<MetricName, number | null>;
  volumeMl: number;
  seconds: number;
}

export type MetricName = 'dice' | 'voe' | 'rvd' | 'rvdAbs' | 'assdMm' | 'rmsdMm' | 'mssdMm' | 'hd95Mm';

/** What validation says at the end of an epoch; it acts at the end of the next one. */
export interface Verdict {
  epoch: number;
  step: number;
  dice: number | null;
  best: { epoch: number; step: number; dice: number } | null;
  stop: boolean;
}

/** Written by the last writer once the final checkpoint is complete. */
export interface FinishedDocument {
  run: string;
  step: number;
  epoch: number;
  digest: string;
  reason: 'epochs' | 'early stop';
}

export interface SweepDocument {
  version: 1;
  sweep: string;
  name: string;
  createdAt: string;
  parallel: number;
  objective: { metric: string; direction: 'maximize' | 'minimize' };
  trials: { trial: number; values: Record<string, unknown>; run: string; document: RunDocument }[];
}

export const runKeys = {
  document: (run: string) => `runs/${run}/run.json`,
  plan: (run: string) => `runs/${run}/plan.json`,
  preparedFolder: (run: string) => `runs/${run}/prepared/`,
  prepared: (run: string, caseId: string) => `runs/${run}/prepared/${caseId}.json`,
  validationFolder: (run: string) => `runs/${run}/validation/`,
  caseResult: (run: string, step: number, split: SplitName, caseId: string) =>
    `runs/${run}/validation/${String(step)}/${split}-${caseId}.json`,
  verdict: (run: string, step: number) => `runs/${run}/validation/${String(step)}/verdict.json`,
  overlay: (run: string, caseId: string) => `runs/${run}/overlays/${caseId}.safetensors`,
  finished: (run: string) => `runs/${run}/finished.json`,
  report: (run: string) => `runs/${run}/report/report.json`,
  sweep: (sweep: string) => `sweeps/${sweep}/sweep.json`,
  sweepTrials: (sweep: string) => `sweeps/${sweep}/trials.jsonl`,
} as const;
