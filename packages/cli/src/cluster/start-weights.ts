import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { weightsSha256, writeCheckpoint } from '@lvnet/checkpoints';
import type { GivenWeights } from '@lvnet/coordinator';
import { asFailure, Failure } from '@lvnet/core';
import { networkConfigOf, type Experiment } from '@lvnet/experiments';
import { buildNetwork } from '@lvnet/networks';
import type { NamedTensor } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { givenWeights, namedWeights, startingWith, toCheckpoint } from '@lvnet/training';
import { readReference } from '../local/predict/checkpoint-reference.js';
import { readTensorFile } from '../local/tensor-file.js';

/**
 * The weights that `network.weights` of an experiment refers to: a checkpoint's, or those of a safetensors file
 * with PyTorch's names.
 *
 * @throws what reading the reference throws, and Failure('WEIGHTS_MISMATCH' | 'WEIGHTS_INVALID') where they are
 *   not this network's or of no use
 */
export async function findStartWeights(experiment: Experiment, store: Store): Promise<GivenWeights> {
  const reference = experiment.network.weights ?? '';
  const config = networkConfigOf(experiment);
  const network = buildNetwork(config);
  const { tensors, from } = await readTensors(reference);
  const weights = givenWeights(network, tensors, reference);
  return {
    sha256: weightsSha256(namedWeights(network, weights)),
    from,
    async write({ run, engine, experiment: { data } }) {
      const { windowHu, patch } = data;
      // Before the first step of the first epoch, however long these epochs will be.
      const checkpoint = toCheckpoint(network, startingWith(network, weights), 1);
      const provenance = {
        network: config,
        data: { windowHu, patch },
        engineFingerprint: engine.fingerprint,
      };
      await writeCheckpoint(store, run, checkpoint, provenance);
    },
  };
}

async function readTensors(reference: string): Promise<{ tensors: readonly NamedTensor[]; from: string }> {
  if (reference.endsWith('.safetensors')) {
    const path = resolve(reference);
    return { tensors: [...(await readTensorFile(path)).values()], from: path };
  }
  const { manifest, weights } = await readReference(reference, undefined).catch((error: unknown) => {
    throw isOtherFile(reference, asFailure(error).code) ? otherFile(reference) : error;
  });
  return { tensors: weights, from: `${manifest.run}@${String(manifest.step)}` };
}

/** Whether a reference that names no checkpoint names a file. */
const isOtherFile = (reference: string, code: string): boolean =>
  ['ARGUMENT_INVALID', 'RUN_NOT_FOUND', 'CHECKPOINT_NOT_FOUND'].includes(code) &&
  statSync(resolve(reference), { throwIfNoEntry: false })?.isFile() === true;

function otherFile(reference: string): Failure {
  return new Failure(
    'ARGUMENT_INVALID',
    { reference },
    {
      message: `network.weights (${reference}) is a file whose name does not end in .safetensors.`,
      hint: 'A file of weights must end in .safetensors: write one with lvnet export, or name a run.',
    },
  );
}
