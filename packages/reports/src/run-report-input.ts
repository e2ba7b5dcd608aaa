import type { CaseMetricName } from '@lvnet/evaluation';

/** What a run's report is made from: plain data, gathered by whoever reads the store. */
export interface RunReportInput {
  run: string;
  name: string;
  /** The resolved experiment. */
  experiment: object;
  engine: { kind: string; fingerprint: string };
  /** What the reader must know to judge the figures, as "trained and tested on the same case". */
  notes: readonly string[];
  steps: readonly RunStep[];
  validations: readonly { epoch: number; step: number; dice: number | null }[];
  best: { step: number; dice: number } | null;
  cases: readonly RunCase[];
  /** Mean test Dice of methods that learn (next to) nothing, on the same cases. */
  baselines?: readonly { name: string; dice: number }[];
  events: readonly { at: string; text: string }[];
  overlays: readonly RunOverlay[];
  finalDigest: string;
  /** Processes killed on purpose on the way. */
  killed?: { count: number; text: string };
}

export interface RunStep {
  step: number;
  epoch: number;
  loss: number;
  /** Loss per head, `main` and `1`.. */
  heads: Readonly<Record<string, number>>;
  lr: number;
  digest: string;
}

/** One case and its predicted volume; a metric is null where it is not defined (no liver on either side). */
export type RunCase = { case: string; split: string; volumeMl: number } & Record<
  CaseMetricName,
  number | null
>;

/** A slice with both masks, row-major, [rows, columns]. */
export interface RunOverlay {
  case: string;
  title: string;
  rows: number;
  columns: number;
  /** Height of a pixel over its width. */
  pixelAspect: number;
  /** Any range; shown between its 0.5 and 99.5 percentiles. */
  image: Float32Array;
  /** Not 0 = liver. */
  truth: Uint8Array;
  prediction: Uint8Array;
}
