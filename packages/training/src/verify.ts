import { checkpointSteps } from '@lvnet/checkpoints';
import { Failure } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import { firstDifference } from './first-difference.js';
import { replaySteps, type ReplayOptions } from './replay.js';
import { namedWeights, type TrainingState } from './state.js';

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
  const tensor = firstDifference(namedWeights(network, state.weights), namedWeights(network, right.weights));
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
