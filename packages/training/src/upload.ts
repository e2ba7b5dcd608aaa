import {
  checkpointInterval,
  writeCheckpoint,
  writeSteps,
  type CheckpointState,
  type Provenance,
  type StepRecord,
} from '@lvnet/checkpoints';
import type { Store } from '@lvnet/store';

/** One checkpoint on its way into the store, with the step log up to it. */
export interface Upload {
  run: string;
  checkpoint: CheckpointState;
  records: readonly StepRecord[];
  provenance: Provenance;
  /** null: training waits for it, so it goes as fast as it can. */
  bytesPerSecond: number | null;
  /** What the next one's step follows from; null: the experiment fixes it. */
  pace: UploadPace | null;
}

export interface UploadPace {
  stepSeconds: number;
  /** What the copy took from training. */
  copySeconds: number;
  failureCount: number;
  observedSeconds: number;
}

/**
 * The step log first, then the checkpoint, its manifest last.
 *
 * @param o.busySeconds what this thread has computed so far: it competes with training for the processors
 */
export async function upload(
  store: Store,
  { run, checkpoint, records, provenance, bytesPerSecond, pace }: Upload,
  o: { monotonicMs: () => number; busySeconds: () => number },
): Promise<{ nextStep: number | null }> {
  const [startMs, busyBefore] = [o.monotonicMs(), o.busySeconds()];
  await writeSteps(store, run, records);
  const schedule = () => {
    if (pace === null) return null;
    const { copySeconds, ...known } = pace;
    const costSeconds = copySeconds + o.busySeconds() - busyBefore;
    const writeSeconds = (o.monotonicMs() - startMs) / 1_000;
    const interval = checkpointInterval({ ...known, costSeconds, writeSeconds });
    const { steps, meanSecondsBetweenFailures } = interval;
    const nextStep = checkpoint.step + steps;
    return { nextStep, costSeconds, writeSeconds, stepSeconds: pace.stepSeconds, meanSecondsBetweenFailures };
  };
  const budget = bytesPerSecond === null ? {} : { bytesPerSecond };
  const manifest = await writeCheckpoint(store, run, checkpoint, provenance, { ...budget, schedule });
  return { nextStep: manifest.schedule?.nextStep ?? null };
}
