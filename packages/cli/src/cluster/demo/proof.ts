import { Failure } from '@lvnet/core';
import { openEngine, type EngineKind } from '@lvnet/engine';
import type { RunDocument, TrainingPlan } from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import { listCheckpoints } from '@lvnet/checkpoints';
import { replaySteps } from '@lvnet/training';
import { trainingSpecOf } from '@lvnet/worker';

/** The steps around the kill, computed again by one process alone. */
export interface Proof {
  fromStep: number;
  toStep: number;
  /** The digest in the log of the run, and the one found again. */
  logged: string;
  replayed: string;
  same: boolean;
  seconds: number;
}

/**
 * Shows that the kill did not matter: from the last checkpoint before it to the first one after it, one
 * process without Redis, without other workers and without faults must find the same weights.
 */
export async function proveKill(
  store: Store,
  document: RunDocument,
  plan: TrainingPlan,
  killedAtStep: number,
): Promise<Proof | null> {
  const startMs = performance.now();
  const manifests = (await listCheckpoints(store, document.run)).sort((a, b) => a.step - b.step);
  const after = manifests.find((manifest) => manifest.step > killedAtStep);
  if (after === undefined) return null;
  const before = manifests.filter((manifest) => manifest.step <= killedAtStep).at(-1);
  const engine = await openEngine({ kind: document.engine.kind as EngineKind });
  const replayed = await replaySteps({
    engine,
    store,
    spec: trainingSpecOf(document, plan),
    wire: document.experiment.exchange.wire,
    fromStep: before?.step ?? 0,
    toStep: after.step,
  });
  return {
    fromStep: before?.step ?? 0,
    toStep: after.step,
    logged: after.digest,
    replayed: replayed.digest,
    same: after.digest === replayed.digest,
    seconds: (performance.now() - startMs) / 1000,
  };
}

export function refuseDifferent(proof: Proof): void {
  if (proof.same) return;
  throw new Failure(
    'DIGEST_MISMATCH',
    { ...proof },
    {
      message: `Replaying steps ${String(proof.fromStep + 1)} to ${String(proof.toStep)} alone gave other weights than the run.`,
      hint: 'This is a defect of lvnet or of this machine’s memory: please report it with the run’s folder.',
    },
  );
}
