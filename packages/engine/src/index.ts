/**
 * tfjs-core as the API and the tape, with backends of our own: `native` (C++ kernels), `reference` (plain loops) and
 * `tensorflow` (TensorFlow's operations, on NVIDIA GPUs or the processor). Operations that LV-Net needs and tfjs lacks, each with its gradient.
 * Owns @tensorflow/*; activations are [n, d, h, w, channels], weights in PyTorch's layouts.
 */
export { tf } from './tfjs.js';
export { openEngine, type Engine, type EngineKind, type EngineOptions } from './open-engine.js';
export { isTensorFlowInstalled } from './tensorflow/binding.js';
export { usableGpus } from './tensorflow/gpus.js';
export { conv3d, conv3dInfer, depthwise3d } from './convolution.js';
export { batchNormTrain, batchNormInfer, type BatchStatistics, type OnStatistics } from './normalisation.js';
export { convolve, convolveInfer, transposedConvolve, type ConvolutionMoves } from './dense-convolution.js';
export { maxPool, resize } from './dense-resampling.js';
export { groupNorm } from './group-normalisation.js';
export { prelu, relu } from './rectifiers.js';
export { concatChannels, repeatChannel, takeChannels } from './channels.js';
export { averagePool3d, upsampleTrilinear } from './resampling.js';
export { addTensors, softmaxCrossEntropy, weightedSum } from './arithmetic.js';
export {
  invertedResidual,
  invertedResidualInfer,
  type IrbParameters,
  type OnBlockStatistics,
} from './inverted-residual.js';
export { valueAndGradients } from './gradients.js';
export { enterLayer, isProfiling, profile, type OperationFact } from './profile.js';
