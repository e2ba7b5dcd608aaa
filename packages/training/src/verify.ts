import { checkpointSteps } from '@lvnet/checkpoints';
import { Failure, sha256Hex } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import { namedWeights, type TrainingState } from './state.js';
import { replaySteps, type ReplayOptions } from './replay.js';

/**
 * Members hold different weights: each replays the steps since the last checkpoint by itself and compares.
 *
 * @returns the failure that says who is wrong, with worker, step and first differing tensor
 */
export async function findGuilty(
  network: Network,
  state: TrainingState,
  o: Omit<ReplayOptions, 'fromStep' | 'toStep'> & { worker: string; mismatch: Failure },
): Promise<Failure> {
  const steps = await checkpointSteps(o.store, o.spec.run);
  const fromStep = steps.filter((step) => step <= state.step).at(-1) ?? 0;
  const right = await replaySteps({ ...o, fromStep, toStep: state.step });
  const tensor = firstDifference(network, state, right);
  const details = { worker: o.worker, step: state.step, tensor: tensor ?? null, ...o.mismatch.details };
  if (tensor === undefined) {
    const { sender } = o.mismatch.details;
    const who = typeof sender === 'string' ? sender : 'another member';
    const message = `After step ${String(state.step)} ${who} holds other weights than ${o.worker}, whose weights a replay from step ${String(fromStep)} confirms.`;
    return new Failure('DIGEST_MISMATCH', { ...details, innocent: o.worker }, { message, hint });
  }
  const message = `After step ${String(state.step)} the weights of ${o.worker} are wrong, first in ${tensor}: a replay from step ${String(fromStep)} gives others.`;
  return new Failure('DIGEST_MISMATCH', { ...details, guilty: o.worker }, { message, hint });
}

const hint =
  'Test memory and processor of the machine that is wrong, then submit the run again: it goes on from its last checkpoint.';

/** The name of the first tensor that differs, in the canonical order. */
function firstDifference(network: Network, a: TrainingState, b: TrainingState): string | undefined {
  const [ours, theirs] = [namedWeights(network, a.weights), namedWeights(network, b.weights)];
  return ours.find(({ data }, i) => hashOf(data) !== hashOf(theirs[i]?.data))?.name;
}

const hashOf = (data: ArrayBufferView | undefined): string =>
  data === undefined ? '' : sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
