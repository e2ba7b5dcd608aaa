import {
  checkpointSteps,
  deleteCheckpoint,
  endLife,
  failuresOf,
  isCompleteCheckpoint,
  newestSchedule,
  planRetention,
  readLives,
  referredSteps,
  storedSteps,
} from '@lvnet/checkpoints';
import { systemClock } from '@lvnet/core';
import type { Network } from '@lvnet/networks';
import { createCheckpointKeeper, type CheckpointKeeper } from './checkpoint-keeper.js';
import { createCheckpointSchedule } from './checkpoint-schedule.js';
import { closesEpoch } from './spec.js';
import { copyState, toCheckpoint, type TrainingState } from './state.js';
import type { StepLog } from './step-log.js';
import type { TrainOptions } from './train-options.js';
import type { UploadPace } from './upload.js';
import { openUploads } from './uploads.js';

/** A checkpoint that cannot be written is told of at most this often. */
const tellEveryMs = 30_000;
/** Steps whose mean time is taken for that of the next ones. */
const timedSteps = 64;

/** A run's checkpoints in its store: which steps get one, the copy, and the way into the store. */
export interface StoreKeeper extends CheckpointKeeper<TrainingState> {
  /** A checkpoint is due after this step: its epoch ends, or the schedule says so. */
  isDue(step: number): boolean;
  /** The copy that becomes a checkpoint; all that training waits for. */
  copy(state: TrainingState): TrainingState;
  /** A seat in a life is taken: what the store says of the next checkpoint holds. */
  begin(life: number): Promise<void>;
  /** All members of the life left as they were asked to. */
  adjourn(): Promise<void>;
  /** A step took so long. */
  stepped(seconds: number): void;
  close(): Promise<void>;
}

/** Keeps a run's checkpoints in its store: the step log first, then the checkpoint, then what may go goes. */
export function openStoreKeeper(options: TrainOptions, network: Network, log: StepLog): StoreKeeper {
  const { spec, store, provenance, report, checkpoint } = options;
  const uploads = openUploads(store.url);
  const schedule = createCheckpointSchedule(checkpoint.everySteps);
  const isAdaptive = checkpoint.everySteps === undefined;
  let toldMs = Number.NEGATIVE_INFINITY;
  let lastSeconds: number[] = [];
  let copySeconds = 0;
  let life = 0;

  const learn = async () => {
    if (isAdaptive) schedule.learn(await newestSchedule(store, spec.run));
  };
  const pace = async (): Promise<UploadPace> => {
    const failures = failuresOf(await readLives(store, spec.run), systemClock.now());
    const stepSeconds =
      lastSeconds.reduce((sum, seconds) => sum + seconds, 0) / Math.max(1, lastSeconds.length);
    return { stepSeconds, copySeconds, ...failures };
  };
  /** Whoever does not write learns here what the writer has written. */
  const letGoOfRecords = async (step: number) => {
    if (log.upTo(step).length > 0) log.drop(await storedSteps(store, spec.run));
  };
  const keeper = createCheckpointKeeper<TrainingState>({
    async isSettled(step) {
      const isThere = await isCompleteCheckpoint(store, spec.run, step);
      await learn();
      if (isThere) {
        await letGoOfRecords(step);
        return 'complete';
      }
      if (!closesEpoch(spec, step) && schedule.isMoot(step)) return 'moot';
      return (await isOutdated(options, step)) ? 'moot' : 'open';
    },
    async write(state, isUrgent) {
      await uploads.upload({
        run: spec.run,
        checkpoint: toCheckpoint(network, state, spec.stepsPerEpoch),
        records: log.upTo(state.step),
        provenance,
        bytesPerSecond: isUrgent ? null : checkpoint.bytesPerSecond,
        pace: isAdaptive ? await pace() : null,
      });
      log.drop((step) => step <= state.step);
      await learn();
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
  return {
    ...keeper,
    isDue: (step) => closesEpoch(spec, step) || schedule.isDue(step),
    copy(state) {
      const startMs = systemClock.monotonicMs();
      const copy = copyState(network, state);
      schedule.taken(state.step);
      copySeconds = (systemClock.monotonicMs() - startMs) / 1_000;
      report({ kind: 'copied', step: state.step, seconds: copySeconds });
      return copy;
    },
    async begin(seatLife) {
      life = seatLife;
      if (isAdaptive) schedule.begin(await newestSchedule(store, spec.run));
    },
    adjourn: () => endLife(store, spec.run, life),
    stepped(seconds) {
      lastSeconds = [...lastSeconds, seconds].slice(-timedSteps);
    },
    close: () => uploads.close(),
  };
}

async function dropOld(options: TrainOptions): Promise<void> {
  const { spec, store } = options;
  const steps = await checkpointSteps(store, spec.run);
  for (const step of await outdatedOf(options, steps)) await deleteCheckpoint(store, spec.run, step);
}

/**
 * Whether the checkpoint of this step, which is not there, would not be kept if it were: most likely the writer has had
 * the time to write it, newer ones, and to delete it before this member asked.
 */
async function isOutdated(options: TrainOptions, step: number): Promise<boolean> {
  const { spec, store } = options;
  const steps = await checkpointSteps(store, spec.run);
  if (!steps.some((other) => other > step)) return false;
  return (await outdatedOf(options, [...steps, step])).includes(step);
}

async function outdatedOf(
  { spec, store, checkpoint, referenced }: TrainOptions,
  steps: readonly number[],
): Promise<number[]> {
  const replayed = await referredSteps(store, spec.run);
  return planRetention(steps, { keep: checkpoint.keep, referenced: await referenced(steps), replayed });
}
