/**
 * A run's checkpoints in the store: safetensors files, a manifest that comes last, the digest chain,
 * the log of steps, the count of lives, and which checkpoints may be deleted.
 */
export {
  writeCheckpoint,
  checkpointFiles,
  readCheckpoint,
  listCheckpoints,
  checkpointSteps,
  isCompleteCheckpoint,
  newestSchedule,
  deleteCheckpoint,
  setAside,
  readNewest,
  type CheckpointState,
  type Provenance,
  type ReadCheckpoint,
  type WriteOptions,
} from './checkpoint.js';
export { readWeights } from './verified.js';
export { checkpointFolder, weightsName, type Manifest } from './manifest.js';
export { encodeWeights, weightsSha256, firstDigest, nextDigest } from './digest.js';
export { nextLife, endLife, readLives, failuresOf } from './lives.js';
export { checkpointInterval, type IntervalFacts } from './interval.js';
export { planRetention } from './retention.js';
export { referTo, referredSteps } from './references.js';
export {
  writeSteps,
  readSteps,
  readStepLines,
  storedSteps,
  type StepLines,
  type StepRecord,
} from './step-records.js';
export { checkChain, type ChainCheck, type RecordedRun } from './chain.js';
