/**
 * The numerical kernels on plain typed arrays: a C++ addon with run-time choice of instruction set, and
 * the plain-loop reference that judges it. Free of tfjs, so that exchange and command line use them cheaply.
 */
export type {
  Activation,
  BlockActivation,
  AdamUpdate,
  ConvShape,
  DepthwiseShape,
  IrbOptions,
  IrbShape,
  IrbStatistics,
  IrbWeights,
  KernelSet,
  NormParameters,
} from './kernel-set.js';
export type { VolumeShape } from './volume-shape.js';
export {
  outputSize,
  resizeTaps,
  type DenseKernels,
  type DenseShape,
  type GroupNormParameters,
  type GroupNormShape,
  type MaxPoolShape,
  type ResizeRule,
  type ResizeShape,
  type Triple,
} from './dense-kernels.js';
export { referenceKernels } from './reference/index.js';
export { loadKernels, dieWithParent, measureFmaPeak, addonPath, type NativeKernels } from './native.js';
export { defaultKeepBytes, irbHiddenFloats, irbSavedFloats } from './saved.js';
export { nativeSegments } from './native-segments.js';
export { createLocalSegments } from './reference/segments.js';
export {
  segmentMarkBytes,
  segmentNameBytes,
  slotBytes,
  slotRestAt,
  slotValues,
  type OwnSegment,
  type Segments,
  type SegmentValues,
  type SlotPlace,
  type SlotTable,
} from './segments.js';
