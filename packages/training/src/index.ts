/**
 * One member's training: which samples a step takes, the shards' gradients, the exact sum, the optimiser,
 * checkpoints and the step log; the same steps replayed alone, the proof of a run's past; and a trained network applied to a case.
 * Knows nothing of queues, runs' documents or metrics: it reports facts.
 */
export { trainRun } from './loop.js';
export type { FinishReason, TrainOptions } from './train-options.js';
export { replaySteps, type ReplayOptions } from './replay.js';
export { readBooks, type BookProblem, type Books, type RunPast } from './proof/books.js';
export type { EpochLedger } from './proof/ledger.js';
export { drawSteps, recomputeSteps, type Recomputed } from './proof/recompute.js';
export { stateAfter, type StateAfterOptions } from './proof/state-after.js';
export { firstDivergence, type Divergence } from './proof/divergence.js';
export { firstDifference } from './first-difference.js';
export { collectRarely } from './collector.js';
export { engineFingerprint } from './fingerprint.js';
export type { PhaseSeconds, StepFact, TrainingFact } from './facts.js';
export { epochOf, learningRateAt, type TrainingCase, type TrainingSpec } from './spec.js';
export { givenWeights } from './given-weights.js';
export { namedWeights, startingWith, toCheckpoint, type TrainingState } from './state.js';
export { modelOf, predictCase, type Model } from './inference.js';
