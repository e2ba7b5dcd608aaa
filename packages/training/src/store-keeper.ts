import {
  checkpointSteps,
  deleteCheckpoint,
  isCompleteCheckpoint,
  planRetention,
  writeCheckpoint,
  writeSteps,
} from '@lvnet/checkpoints';
import { systemClock } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import { createCheckpointKeeper, type CheckpointKeeper } from './checkpoint-keeper.js';
import type { TrainOptions } from './train-options.js';
import { toCheckpoint, type TrainingState } from './state.js';
import type { StepLog } from './step-log.js';

/** A checkpoint that cannot be written is told of at most this often. */
const tellEveryMs = 30_000;

/** Keeps a run's checkpoints in its store: the step log first, then the checkpoint, then what may go goes. */
export function openStoreKeeper(
  options: TrainOptions,
  network: Network,
  log: StepLog,
): CheckpointKeeper<TrainingState> {
  const { spec, store, provenance, report } = options;
  let toldMs = Number.NEGATIVE_INFINITY;
  return createCheckpointKeeper<TrainingState>({
    isComplete: (step) => isCompleteCheckpoint(store, spec.run, step),
    async write(state) {
      await writeSteps(store, spec.run, log.upTo(state.step));
      await writeCheckpoint(store, spec.run, toCheckpoint(network, state, spec.stepsPerEpoch), provenance);
      log.written(state.step);
      await dropOld(options);
    },
    onWritten: (step, seconds) => {
      report({ kind: 'checkpointed', step, seconds });
    },
    onFailed(step, failure) {
      const nowMs = systemClock.monotonicMs();
      if (nowMs - toldMs < tellEveryMs) return;
      toldMs = nowMs;
      const text = `checkpoint ${String(step)} cannot be written yet: ${failure.message} ${failure.hint}`;
      report({ kind: 'note', text });
    },
    now: systemClock.now,
    monotonicMs: systemClock.monotonicMs,
  });
}

async function dropOld({ spec, store, checkpoint, referenced }: TrainOptions): Promise<void> {
  const steps = await checkpointSteps(store, spec.run);
  const plan = { keep: checkpoint.keep, referenced: await referenced() };
  for (const step of planRetention(steps, plan)) await deleteCheckpoint(store, spec.run, step);
}
