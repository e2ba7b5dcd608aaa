/**
 * Judging a segmentation: the LiTS metrics of a case and their summary, prediction of a whole volume by
 * sliding blocks, connected components, and simple baselines a network has to beat.
 * Pure functions of typed arrays; only evaluateInThread starts a thread.
 * Knows nothing of networks, stores, files or jobs.
 */
export {
  caseMetricNames,
  evaluateCase,
  litsScored,
  undefinedScore,
  type CaseMetricName,
  type CaseMetrics,
  type EvaluateOptions,
} from './case-metrics.js';
export { evaluateInThread } from './evaluate-thread.js';
export { overlapMetrics, type OverlapMetrics } from './overlap.js';
export { surfaceMetrics, type SurfaceMetrics, type SurfaceOptions } from './surface-metrics.js';
export { summarise, type Summary } from './summary.js';
export { largestComponent, type Connectivity } from './components.js';
export { blockStartsOf, predictVolume, type PredictOptions } from './predict-volume.js';
export { type MaskPair, type Spacing, type VolumeShape } from './mask.js';
export { type GridShape, type PreparedGrid } from './baselines/grid.js';
export { bestWindowBaseline } from './baselines/best-window.js';
export { smoothedWindowBaseline } from './baselines/smoothed-window.js';
export { meanMaskBaseline } from './baselines/mean-mask.js';
