import { checkpointSteps, readCheckpoint } from '@lvnet/checkpoints';
import { asFailure, Failure } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import { buildNetwork } from '@lvnet/networks';
import { replaySteps, type ReplayOptions } from '../replay.js';
import { startState } from '../start.js';
import { fromCheckpoint, type TrainingState } from '../state.js';

export interface StateAfterOptions extends Omit<ReplayOptions, 'fromStep' | 'toStep' | 'engine'> {
  step: number;
  /** Opened only where steps have to be done again. */
  engine: () => Promise<Engine>;
}

/**
 * The state of a run after any of its steps: the checkpoint of that step, or the nearest before it that
 * verifies and the steps from there done again.
 *
 * @throws Failure('CHECKPOINT_NOT_FOUND') where nothing is left to start from, and what the engine throws
 */
export async function stateAfter(o: StateAfterOptions): Promise<TrainingState> {
  const { spec, store, step } = o;
  const network = buildNetwork(spec.network);
  const steps = await checkpointSteps(store, spec.run);
  for (const candidate of steps.filter((at) => at <= step).reverse()) {
    if (!(await isSound(o, candidate))) continue;
    if (candidate < step)
      return replaySteps({ ...o, engine: await o.engine(), fromStep: candidate, toStep: step });
    return fromCheckpoint(network, (await readCheckpoint(store, spec.run, step)).state);
  }
  if (spec.start !== null) throw nothingLeft(spec.run, step);
  if (step === 0) return startState(network, spec, store);
  return replaySteps({ ...o, engine: await o.engine(), fromStep: 0, toStep: step });
}

async function isSound({ store, spec }: StateAfterOptions, step: number): Promise<boolean> {
  try {
    await readCheckpoint(store, spec.run, step);
    return true;
  } catch (error) {
    const { code } = asFailure(error);
    if (code === 'CHECKPOINT_CORRUPT' || code === 'CHECKPOINT_NOT_FOUND') return false;
    throw error;
  }
}

function nothingLeft(run: string, step: number): Failure {
  return new Failure(
    'CHECKPOINT_NOT_FOUND',
    { run, step },
    {
      message: `Run ${run} has no whole checkpoint from which step ${String(step)} could be reached.`,
      hint: `npx lvnet audit ${run} says what became of them.`,
    },
  );
}
