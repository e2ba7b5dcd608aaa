/**
 * LV-Net and the four networks of its paper: configuration, the exact table of the state (PyTorch names and
 * layouts), forward pass, loss and gradient, Adam, inference, and what each costs without building it. A network
 * is written once, in definitions/, in the words of vocabulary.ts.
 */
export { networkConfigSchema, type LvNetConfig, type NetworkConfig, type NetworkName } from './config.js';
export { networkNames, networkOf, type ConfiguredNetwork } from './definitions.js';
export { buildNetwork, contradictionOf, parseNetworkConfig, type Network } from './network.js';
export { checkInput, multipleWords } from './input.js';
export { describe, type InputSize, type LayerDescription, type NetworkDescription } from './describe.js';
export { deviceKinds, memoryOf, type DeviceKind, type MemoryEstimate } from './memory.js';
export { largestFit, type LargestFit } from './fit.js';
export { countTable1, paperTable1, paperTable3 } from './paper.js';
export { lengthOf, type ParameterSpec } from './parameters.js';
export { emptyWeights, initialWeights, copyWeights, applyStatistics, type Weights } from './weights.js';
export { shardGradient, headWeights, type ShardOptions, type ShardResult } from './shard-gradient.js';
export { traceNetwork, type NetworkTrace, type TracedTensor } from './trace.js';
export { predictForeground } from './predict.js';
export { adamUpdate, adamByName, initialAdam, type AdamOptions, type AdamState } from './adam.js';
export { profileStep, type StepPart, type StepProfile } from './step-profile.js';
