import type { MaskPair, Spacing } from './mask.js';
import { overlapMetrics, type OverlapMetrics } from './overlap.js';
import { surfaceMetrics, type SurfaceMetrics, type SurfaceOptions } from './surface-metrics.js';

/** The metrics of one case; null where one is not defined because a mask is empty. */
export type CaseMetrics = OverlapMetrics & SurfaceMetrics;

export const caseMetricNames = [
  'dice',
  'voe',
  'rvd',
  'rvdAbs',
  'assdMm',
  'rmsdMm',
  'mssdMm',
  'hd95Mm',
] as const satisfies readonly (keyof CaseMetrics)[];

export type CaseMetricName = (typeof caseMetricNames)[number];

export interface EvaluateOptions extends SurfaceOptions {
  /** Writes `undefinedScore` where a metric is not defined, as the official LiTS scorer does. */
  litsScorer?: boolean;
}

/** What the official LiTS scorer writes and averages in for a case with an empty mask. */
export const undefinedScore = 9001;

/**
 * All metrics of one case with the official LiTS scorer's meaning. Foreground is every label but 0.
 *
 * @throws Failure('VOLUME_SHAPE_MISMATCH'), Failure('ARGUMENT_INVALID') for an impossible spacing
 */
export function evaluateCase(
  pair: MaskPair & { spacingMm: Spacing },
  options: EvaluateOptions = {},
): CaseMetrics {
  const metrics = { ...overlapMetrics(pair), ...surfaceMetrics(pair, options) };
  return options.litsScorer === true ? litsScored(metrics) : metrics;
}

/** The metrics with the official LiTS scorer's number in the place of those that are not defined. */
export function litsScored(metrics: CaseMetrics): CaseMetrics {
  const score = (value: number | null) => value ?? undefinedScore;
  const { dice, voe, rvd, rvdAbs, assdMm, rmsdMm, mssdMm, hd95Mm } = metrics;
  return {
    dice,
    voe,
    rvd: score(rvd),
    rvdAbs: score(rvdAbs),
    assdMm: score(assdMm),
    rmsdMm: score(rmsdMm),
    mssdMm: score(mssdMm),
    hd95Mm: score(hd95Mm),
  };
}
