/**
 * What networks are and cost, as data: configuration, state, layers, memory. Computes nothing on tensors, so whoever
 * only reads experiments does not load an engine.
 */
export { networkConfigSchema, type LvNetConfig, type NetworkConfig, type NetworkName } from './config.js';
export { networkNames, networkOf, type ConfiguredNetwork } from './definitions.js';
export { buildNetwork, contradictionOf, parseNetworkConfig, type Network } from './network.js';
export { checkInput, multipleWords } from './input.js';
export { describe, type InputSize, type LayerDescription, type NetworkDescription } from './describe.js';
export { deviceKinds, memoryOf, type DeviceKind, type MemoryEstimate } from './memory.js';
export { largestFit, type LargestFit } from './fit.js';
export { singleValueNorm } from './single-value.js';
export { countTable1, paperTable1, paperTable3 } from './paper.js';
export { lengthOf, type ParameterSpec } from './parameters.js';
