import { bestTrial, runKeys, type SweepDocument, type TrialOutcome } from '@lvnet/experiments';
import type { writeSweepReport } from '@lvnet/reports';
import type { Store } from '@lvnet/store';
import type { ClusterState } from './cluster-state.js';
import { bestStep } from './plan-run.js';

/** The sweep's table, plot and trials.jsonl; the last one marks the sweep as reported. */
export async function reportSweep(
  store: Store,
  sweep: SweepDocument,
  state: ClusterState,
  write: typeof writeSweepReport,
): Promise<void> {
  const trials = sweepOutcomes(sweep, state);
  const best = bestTrial(trials, sweep.objective);
  await write(store, sweep.sweep, {
    sweep: sweep.sweep,
    name: sweep.name,
    objective: sweep.objective,
    trials,
    best,
  });
  const lines = trials.map((trial) => JSON.stringify(trial)).join('\n');
  await store.put(runKeys.sweepTrials(sweep.sweep), `${lines}\n`);
}

/** What each trial came to; the objective is the best validated value. */
export function sweepOutcomes(sweep: SweepDocument, state: ClusterState): TrialOutcome[] {
  return sweep.trials.map((trial) => {
    const run = state.runs.get(trial.run);
    return {
      run: trial.run,
      values: trial.values,
      state: run?.state ?? 'queued',
      objective: run?.facts.verdicts.at(-1)?.best?.dice ?? null,
      steps: run === undefined ? 0 : (run.facts.finished?.step ?? bestStep(run)),
    };
  });
}
