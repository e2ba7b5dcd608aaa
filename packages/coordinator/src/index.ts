/**
 * Decides what is to be done: which cases to prepare, which runs get workers, which checkpoints to
 * validate, which trials come next. A pure reducer (`advance`) behind a small reconcile loop; the
 * store is the truth, Redis the working memory.
 */
export { advance } from './reducer.js';
export {
  emptyCluster,
  type ClusterEvent,
  type ClusterState,
  type Command,
  type RunFacts,
  type RunRecord,
} from './cluster-state.js';
export { runCoordinatorProcess, type CoordinatorOptions } from './start.js';
export { submitRun, submitSweep, hashDataset, type GivenWeights, type SubmitContext } from './submit.js';
export { submitFork, type ForkContext, type ForkOrigin } from './fork.js';
export { readStatus, readCaseResults, resolveRun, listRuns, type RunStatus } from './status.js';
export { readRunEvents, type RunEvent } from '@lvnet/experiments';
export { readSweepStatus, resolveSweep, type SweepStatus } from './sweep-status.js';
