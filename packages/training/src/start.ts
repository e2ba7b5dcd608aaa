import { readCheckpoint } from '@lvnet/checkpoints';
import { asFailure, Failure } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import type { TrainingSpec } from './spec.js';
import { fromCheckpoint, initialState, type TrainingState } from './state.js';

/**
 * The state before a run's first step: weights drawn from its seed, or those of the checkpoint that it starts
 * from.
 *
 * @throws Failure('START_LOST') where that checkpoint is not whole any more, Failure('DIGEST_MISMATCH') where it is
 *   another one
 */
export async function startState(
  network: Network,
  { run, start, seed }: Pick<TrainingSpec, 'run' | 'start' | 'seed'>,
  store: Store,
): Promise<TrainingState> {
  if (start === null) return initialState(network, seed);
  const { state: checkpoint } = await readCheckpoint(store, run, start.step).catch((error: unknown) => {
    throw startLost(run, start.step, error);
  });
  const state = fromCheckpoint(network, checkpoint);
  if (state.digest === start.digest) return state;
  throw new Failure(
    'DIGEST_MISMATCH',
    { run, step: start.step, recorded: start.digest, found: state.digest },
    {
      message: `Run ${run}: the checkpoint of step ${String(start.step)} is not the one that the run was to start from.`,
      hint: `lvnet audit ${run} names what is wrong.`,
    },
  );
}

/** Nobody can make it again; what else went wrong is as it was. */
function startLost(run: string, step: number, error: unknown): unknown {
  const { code, message } = asFailure(error);
  if (code !== 'CHECKPOINT_NOT_FOUND' && code !== 'CHECKPOINT_CORRUPT') return error;
  return new Failure(
    'START_LOST',
    { run, step },
    {
      message: `Run ${run} cannot start: ${message}`,
      hint: 'Submit it anew from the weights that it was made from.',
      cause: error,
    },
  );
}

/** The step that a run starts after. */
export const startStepOf = ({ start }: Pick<TrainingSpec, 'start'>): number => start?.step ?? 0;
