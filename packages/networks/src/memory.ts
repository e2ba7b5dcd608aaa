import type { Triple } from '@lvnet/kernels';
import type { NetworkConfig } from './config.js';
import { networkOf } from './definitions.js';
import {
  nativeInference,
  nativeParameterArrays,
  nativeProcessBytes,
  nativeTraining,
} from './memory-native.js';
import {
  tensorflowInference,
  tensorflowParameterArrays,
  tensorflowProcessBytes,
  tensorflowTraining,
} from './memory-tensorflow.js';
import { elementsOf } from './memory-passes.js';
import { lengthOf, parameterCount } from './parameters.js';
import { planOf, withFoldedNorms, type Plan } from './plan.js';

/**
 * Kinds of devices whose memory is known. That of tensorflow is its build for processors; on a GPU the tensors lie
 * in the device's memory and the rest of the process does not, which nobody has measured.
 */
export const deviceKinds = ['native', 'tensorflow'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** Peak resident bytes of a process that does nothing else. */
export interface MemoryEstimate {
  /** A training step of one shard, weights and optimizer included; the exchange's copies are not. */
  trainingBytes: number;
  /** Of these, what waits for the backward pass. */
  keptBytes: number;
  /** One block of a scan. */
  inferenceBytes: number;
}

/**
 * What a step and a prediction take, by running the plan against a model of each engine's memory.
 *
 * @param size [slices, rows, columns] of a sample
 * @param samples of a shard, that is on a device at a time
 */
export function memoryOf(
  config: NetworkConfig,
  size: Triple,
  samples = 1,
): Record<DeviceKind, MemoryEstimate> {
  const training = planOf(config, size);
  const inference = withFoldedNorms(planOf(config, size, false));
  const parameterBytes = 4 * parameterCount(training);
  const image = imageBytes(config, size);
  const estimate = (
    processBytes: { training: number; inference: number },
    arrays: { training: number; inference: number },
    step: { bytes: number; keptBytes: number },
    predictionBytes: number,
  ): MemoryEstimate => ({
    keptBytes: step.keptBytes,
    trainingBytes: processBytes.training + samples * image + arrays.training * parameterBytes + step.bytes,
    inferenceBytes:
      processBytes.inference +
      image +
      arrays.inference * parameterBytes +
      predictionBytes +
      probabilityBytes(inference),
  });
  return {
    native: estimate(
      nativeProcessBytes,
      nativeParameterArrays,
      nativeTraining(training, samples),
      nativeInference(inference),
    ),
    tensorflow: estimate(
      { training: tensorflowProcessBytes, inference: tensorflowProcessBytes },
      tensorflowParameterArrays,
      tensorflowTraining(training, samples),
      tensorflowInference(inference),
    ),
  };
}

/** The image as it came and as the network takes it, the label twice. */
function imageBytes(config: NetworkConfig, size: Triple): number {
  const channels = networkOf(config).inputChannels;
  return 4 * lengthOf(size) * (1 + 2 + (channels === 1 ? 0 : channels));
}

/** Of all classes, and of what is no background. */
function probabilityBytes(plan: Plan): number {
  return 4 * (elementsOf(plan, plan.main, 1) + lengthOf(plan.values[0]?.size ?? []));
}
