import type { ClusterRequest, Producer, QueueRef, Registry } from '@lvnet/queue';
import type { Telemetry } from '@lvnet/telemetry';
import { isOver, type ClusterState, type RunRecord } from './cluster-state.js';
import { sweepOutcomes } from './sweep-report.js';

/** Run-level series come from the leader only, so that no two processes say different things. */
export interface RunMetrics {
  update(state: ClusterState | undefined): Promise<void>;
  onRequest: (request: ClusterRequest) => void;
}

const queueStates = ['waiting', 'active', 'delayed', 'failed'] as const;

export function createRunMetrics(
  telemetry: Telemetry,
  registry: Registry,
  producer: Producer,
  now: () => number,
): RunMetrics {
  const { metrics } = telemetry;
  const shown = new Set<string>();
  const retired = new Set<string>();

  const showRun = async (run: RunRecord) => {
    const id = run.document.run;
    const progress = await registry.progress(id);
    if (progress === undefined) return;
    shown.add(id);
    metrics.step.set({ run: id }, progress.step);
    metrics.members.set({ run: id }, run.state === 'running' ? progress.members.length : 0);
    for (const [head, loss] of Object.entries(progress.losses)) metrics.loss.set({ run: id, head }, loss);
    const dice = run.facts.verdicts.at(-1)?.dice;
    if (typeof dice === 'number') metrics.dice.set({ run: id, split: 'validation' }, dice);
    if (progress.checkpoint !== null) {
      const ageMs = now() - Date.parse(progress.checkpoint.at);
      metrics.checkpointAgeSeconds.set({ run: id }, Math.max(0, ageMs / 1000));
    }
  };
  const showQueues = async (state: ClusterState) => {
    const fingerprints = new Set([
      ...state.workers.map((worker) => worker.fingerprint),
      ...[...state.runs.values()]
        .filter((run) => !isOver(run.state))
        .map((run) => run.document.engine.fingerprint),
    ]);
    for (const kind of ['prepare', 'train', 'validate'] as const) {
      const refs: QueueRef[] =
        kind === 'prepare' ? [{ kind }] : [...fingerprints].map((fingerprint) => ({ kind, fingerprint }));
      const counts = await Promise.all(refs.map((ref) => producer.counts(ref)));
      for (const jobState of queueStates) {
        const total = counts.reduce((sum, count) => sum + (count[jobState] ?? 0), 0);
        metrics.queueJobs.set({ queue: kind, state: jobState }, total);
      }
    }
  };
  const showTrials = (state: ClusterState) => {
    const byState = new Map<string, number>();
    for (const sweep of state.sweeps.values()) {
      if (sweep.reported) continue;
      for (const trial of sweepOutcomes(sweep.document, state)) {
        byState.set(trial.state, (byState.get(trial.state) ?? 0) + 1);
      }
    }
    for (const known of ['queued', 'running', 'done', 'failed', 'cancelled']) {
      metrics.trials.set({ state: known }, byState.get(known) ?? 0);
    }
  };
  return {
    async update(state) {
      if (state === undefined) {
        for (const run of shown) telemetry.removeRun(run); // another coordinator leads and tells
        shown.clear();
        return;
      }
      for (const run of state.runs.values()) {
        const id = run.document.run;
        if (!isOver(run.state)) await showRun(run);
        else if (shown.has(id) && !retired.has(id)) {
          await showRun(run);
          telemetry.retireRun(id);
          retired.add(id);
        }
      }
      await showQueues(state);
      showTrials(state);
    },
    onRequest(request) {
      if (request.kind === 'note' && request.viewChange !== undefined) {
        metrics.viewChanges.add({ run: request.run, reason: request.viewChange });
      }
    },
  };
}
