import { isOver, type Command, type RunRecord, type SweepRecord } from './cluster-state.js';

/**
 * A trial is a run whose id follows from its content, so a trial is done exactly once however often it
 * is submitted. Keeps `parallel` trials going, in order; reports when the last one is over.
 */
export function planSweep(sweep: SweepRecord, runs: ReadonlyMap<string, RunRecord>): Command[] {
  if (sweep.reported) return [];
  const { trials, parallel } = sweep.document;
  const known = trials.flatMap((trial) => {
    const run = runs.get(trial.run);
    return run === undefined ? [] : [run];
  });
  if (known.length === trials.length && known.every((run) => isOver(run.state))) {
    return [{ kind: 'reportSweep', sweep: sweep.document.sweep }];
  }
  const active = known.filter((run) => !isOver(run.state)).length;
  return trials
    .filter((trial) => !runs.has(trial.run))
    .slice(0, Math.max(0, parallel - active))
    .map((trial) => ({ kind: 'submitTrial', sweep: sweep.document.sweep, trial: trial.trial }));
}
