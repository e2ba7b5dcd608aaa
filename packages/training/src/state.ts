import type { CheckpointState } from '@lvnet/checkpoints';
import { firstDigest, weightsSha256 } from '@lvnet/checkpoints';
import { Failure } from '@lvnet/core';
import {
  adamByName,
  copyWeights,
  emptyWeights,
  initialAdam,
  initialWeights,
  type AdamState,
  type Network,
  type Weights,
} from '@lvnet/networks';
import { decodeSafetensors, encodeSafetensors, float32Of, type NamedTensor } from '@lvnet/safetensors';

/** Everything from which the next step follows. */
export interface TrainingState {
  step: number;
  weights: Weights;
  optimizer: AdamState;
  /** d(step) of the digest chain, and the SHA-256 of the weights that it holds. */
  digest: string;
  weightsSha256: string;
  lossHistory: readonly number[];
}

/** The state before the first step of a run whose weights are drawn. */
export function initialState(network: Network, seed: number): TrainingState {
  return startingWith(network, initialWeights(network.config, seed));
}

/** The state before the first step of a run that starts with these weights. */
export function startingWith(network: Network, weights: Weights): TrainingState {
  const sha = weightsSha256(namedWeights(network, weights));
  return {
    step: 0,
    weights,
    optimizer: initialAdam(network),
    digest: firstDigest(sha),
    weightsSha256: sha,
    lossHistory: [],
  };
}

/** A copy in shared memory: another thread reads it without copying it again. */
export function copyState(network: Network, state: TrainingState): TrainingState {
  const { m, v, step } = state.optimizer;
  return {
    ...state,
    weights: copyWeights(network.config, state.weights, sharedCopy),
    optimizer: { m: sharedCopy(m), v: sharedCopy(v), step },
  };
}

function sharedCopy(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

/** The weights with PyTorch's names, in canonical order; arrays are views. */
export function namedWeights(network: Network, weights: Weights): NamedTensor[] {
  return network.state.map(({ name, shape, kind }) => {
    if (kind === 'batchCount') {
      return { name, dtype: 'I64', shape: [], data: BigInt64Array.of(BigInt(weights.batches)) };
    }
    return { name, dtype: 'F32', shape, data: weights.byName.get(name) ?? new Float32Array() };
  });
}

/** @throws Failure('WEIGHTS_MISMATCH') naming the tensor that is missing or has another shape */
export function weightsOf(network: Network, tensors: readonly NamedTensor[]): Weights {
  const given = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const weights = emptyWeights(network.config);
  for (const { name, shape, kind } of network.state) {
    const tensor = given.get(name);
    if (kind === 'batchCount') {
      const [count] = tensor === undefined ? [] : (tensor.data as BigInt64Array);
      weights.batches = Number(count ?? 0n);
      continue;
    }
    weights.byName.get(name)?.set(valuesOf(tensor, name, shape));
  }
  return weights;
}

function valuesOf(tensor: NamedTensor | undefined, name: string, shape: readonly number[]): Float32Array {
  if (tensor?.shape.join() === shape.join()) return float32Of(tensor);
  const found = tensor === undefined ? 'is missing' : `has shape [${tensor.shape.join(', ')}]`;
  throw new Failure(
    'WEIGHTS_MISMATCH',
    { name, expected: shape, found: tensor?.shape ?? null },
    {
      message: `${name} ${found}; the network needs [${shape.join(', ')}].`,
      hint: 'Use weights of a network with the same options.',
    },
  );
}

export function toCheckpoint(network: Network, state: TrainingState, stepsPerEpoch: number): CheckpointState {
  const epoch = Math.ceil(state.step / stepsPerEpoch);
  return {
    step: state.step,
    epoch,
    weights: namedWeights(network, state.weights),
    optimizer: namedMoments(network, state.optimizer),
    digest: state.digest,
    sampler: { epoch, position: state.step - Math.max(0, epoch - 1) * stepsPerEpoch },
    lossHistory: state.lossHistory,
  };
}

export function fromCheckpoint(network: Network, checkpoint: CheckpointState): TrainingState {
  const weights = weightsOf(network, checkpoint.weights);
  return {
    step: checkpoint.step,
    weights,
    optimizer: momentsOf(network, checkpoint.optimizer, checkpoint.step),
    digest: checkpoint.digest,
    weightsSha256: weightsSha256(namedWeights(network, weights)),
    lossHistory: checkpoint.lossHistory,
  };
}

function namedMoments(network: Network, optimizer: AdamState): NamedTensor[] {
  return adamByName(network, optimizer).flatMap(({ name, shape, m, v }): NamedTensor[] => [
    { name: `${name}.exp_avg`, dtype: 'F32', shape, data: m },
    { name: `${name}.exp_avg_sq`, dtype: 'F32', shape, data: v },
  ]);
}

function momentsOf(network: Network, tensors: readonly NamedTensor[], step: number): AdamState {
  const given = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const state: AdamState = { ...initialAdam(network), step };
  for (const { name, shape, m, v } of adamByName(network, state)) {
    m.set(valuesOf(given.get(`${name}.exp_avg`), `${name}.exp_avg`, shape));
    v.set(valuesOf(given.get(`${name}.exp_avg_sq`), `${name}.exp_avg_sq`, shape));
  }
  return state;
}

/** The state as bytes, for a member that joins. */
export function encodeState(network: Network, state: TrainingState): Uint8Array {
  const tensors = [...namedWeights(network, state.weights), ...namedMoments(network, state.optimizer)];
  const { step, digest, lossHistory } = state;
  return encodeSafetensors(tensors, { state: JSON.stringify({ step, digest, lossHistory }) });
}

/** @throws Failure('WEIGHTS_MISMATCH') */
export function decodeState(network: Network, bytes: Uint8Array): TrainingState {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { step, digest, lossHistory } = JSON.parse(metadata['state'] ?? '{}') as {
    step: number;
    digest: string;
    lossHistory: number[];
  };
  const all = [...tensors.values()];
  const weights = weightsOf(network, all);
  return {
    step,
    weights,
    optimizer: momentsOf(network, all, step),
    digest,
    weightsSha256: weightsSha256(namedWeights(network, weights)),
    lossHistory,
  };
}
