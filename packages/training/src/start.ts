import { readCheckpoint } from '@lvnet/checkpoints';
import { Failure } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import type { TrainingSpec } from './spec.js';
import { fromCheckpoint, initialState, type TrainingState } from './state.js';

/**
 * The state before a run's first step: weights drawn from its seed, or those of the checkpoint that it starts
 * from.
 *
 * @throws Failure('CHECKPOINT_NOT_FOUND' | 'CHECKPOINT_CORRUPT') where that checkpoint is lost,
 *   Failure('DIGEST_MISMATCH') where it is another one
 */
export async function startState(
  network: Network,
  { run, start, seed }: Pick<TrainingSpec, 'run' | 'start' | 'seed'>,
  store: Store,
): Promise<TrainingState> {
  if (start === null) return initialState(network, seed);
  const state = fromCheckpoint(network, (await readCheckpoint(store, run, start.step)).state);
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

/** The step that a run starts after. */
export const startStepOf = ({ start }: Pick<TrainingSpec, 'start'>): number => start?.step ?? 0;
