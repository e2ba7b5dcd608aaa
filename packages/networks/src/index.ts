/**
 * LV-Net and the four networks of its paper: configuration, the exact table of the state (PyTorch names and
 * layouts), forward pass, loss and gradient, Adam, inference, and what each costs without building it. A network
 * is written once, in definitions/, in the words of vocabulary.ts.
 */
export * from './description.js';
export { emptyWeights, initialWeights, copyWeights, applyStatistics, type Weights } from './weights.js';
export { shardGradient, headWeights, type ShardOptions, type ShardResult } from './shard-gradient.js';
export { traceNetwork, type NetworkTrace, type TracedTensor } from './trace.js';
export { predictForeground } from './predict.js';
export { adamUpdate, adamByName, initialAdam, type AdamOptions, type AdamState } from './adam.js';
export { profileStep, type StepPart, type StepProfile } from './step-profile.js';
