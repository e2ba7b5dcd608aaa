/**
 * Experiments and sweeps as files, the identity of a run, its states, and the documents that describe
 * it in the store. Pure but for reading and writing those documents.
 * Owns yaml.
 */
export { experimentSchema, experimentJsonSchema, networkConfigOf, type Experiment } from './experiment.js';
export { applySettings, parseExperiment, type ParseOptions } from './parse.js';
export { preflight } from './contradictions.js';
export type { Problem } from './problems.js';
export { identityOf, runIdOf } from './identity.js';
export { identityOfRun, numericsVersion, startOfRun, unsuitedFor } from './run-identity.js';
export { experimentDifferences, type ExperimentDifference } from './differences.js';
export { forkedExperiment } from './fork.js';
export { runStates, transition, type RunState } from './run-state.js';
export { earlyStop, isBetter, type EarlyStopRule, type EpochValue } from './early-stop.js';
export {
  parseSweep,
  gridTrials,
  bestTrial,
  type GridTrial,
  type Sweep,
  type SweepAxis,
  type TrialOutcome,
} from './sweep.js';
export {
  runKeys,
  type CaseResult,
  type FinishedDocument,
  type MetricName,
  type PreparedRecord,
  type RunDocument,
  type RunSplit,
  type SplitCase,
  type SplitName,
  type SweepDocument,
  type TrainingPlan,
  type Verdict,
} from './documents.js';
export { readJson, readJsonIfThere, putDocument, documentIds } from './document-store.js';
export { readRunEvents, recordRunEvent, type RunEvent } from './run-events.js';
