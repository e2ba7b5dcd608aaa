/**
 * LV-Net: its configuration, the exact table of its state (PyTorch names and layouts), forward pass,
 * deep-supervision loss and gradient, Adam, inference, and what it costs without building it.
 */
export {
  networkConfigSchema,
  networkNames,
  inputMultiple,
  type NetworkConfig,
  type NetworkName,
} from './config.js';
export { buildNetwork, parseNetworkConfig, type Network } from './network.js';
export {
  describe,
  checkInput,
  type InputSize,
  type LayerDescription,
  type NetworkDescription,
} from './describe.js';
export { lengthOf, type ParameterSpec } from './parameters.js';
export { emptyWeights, initialWeights, copyWeights, applyStatistics, type Weights } from './weights.js';
export { shardGradient, headWeights, type ShardOptions, type ShardResult } from './shard-gradient.js';
export { traceNetwork, type NetworkTrace, type TracedTensor } from './trace.js';
export { predictForeground } from './predict.js';
export { adamUpdate, adamByName, initialAdam, type AdamOptions, type AdamState } from './adam.js';
