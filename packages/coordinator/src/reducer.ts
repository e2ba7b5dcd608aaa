import { transition, type RunState } from '@lvnet/experiments';
import type { ClusterRequest } from '@lvnet/queue';
import {
  isOver,
  noFacts,
  type Advance,
  type ClusterEvent,
  type ClusterState,
  type Command,
  type RunRecord,
} from './cluster-state.js';
import { planRun, wanted } from './plan-run.js';
import { planSweep } from './plan-sweep.js';

/**
 * The coordinator's whole judgement: what is known plus what happened gives what is known now and what
 * to do. Pure, level-triggered and idempotent: any event may come twice, and a tick re-issues every
 * command that still matters, so that nothing depends on an event that got lost.
 */
export function advance(state: ClusterState, event: ClusterEvent): Advance {
  switch (event.kind) {
    case 'runFound':
      return { state: addRun(state, event), commands: [] };
    case 'sweepFound':
      return {
        state: {
          ...state,
          sweeps: new Map(state.sweeps).set(event.document.sweep, {
            document: event.document,
            reported: event.reported,
          }),
        },
        commands: [],
      };
    case 'workersSeen':
      return { state: { ...state, workers: event.workers }, commands: [] };
    case 'runObserved':
      return { state: updateRun(state, event.run, (run) => ({ ...run, facts: event.facts })), commands: [] };
    case 'requested':
      return onRequest(state, event.request);
    case 'tick':
      return onTick(state);
  }
}

function addRun(state: ClusterState, event: Extract<ClusterEvent, { kind: 'runFound' }>): ClusterState {
  if (state.runs.has(event.document.run)) return state;
  const record: RunRecord = {
    document: event.document,
    state: event.state,
    reason: event.reason,
    facts: noFacts,
  };
  return { ...state, runs: new Map(state.runs).set(event.document.run, record) };
}

function updateRun(state: ClusterState, run: string, change: (run: RunRecord) => RunRecord): ClusterState {
  const known = state.runs.get(run);
  return known === undefined ? state : { ...state, runs: new Map(state.runs).set(run, change(known)) };
}

function onRequest(state: ClusterState, request: ClusterRequest): Advance {
  switch (request.kind) {
    case 'submitted':
    case 'submittedSweep':
      return { state, commands: [] }; // only wakes the loop: the store holds what was submitted
    case 'cancel':
      return move(state, request.run, 'cancelled', 'cancelled on request');
    case 'pause':
      return move(state, request.run, 'paused', 'paused on request');
    case 'resume':
      return move(state, request.run, resumed(state.runs.get(request.run)), 'resumed on request');
    case 'jobFailed':
      return move(state, request.run, 'failed', `${request.job}: ${request.message} ${request.hint}`.trim());
    case 'note':
      return note(state, request.run, request.text);
  }
}

/** A paused run goes back to the stage that its facts show. */
function resumed(run: RunRecord | undefined): RunState {
  return run?.facts.planned === true ? 'running' : 'preparing';
}

function note(state: ClusterState, run: string, text: string): Advance {
  const known = state.runs.get(run);
  if (known === undefined) return { state, commands: [] };
  return { state, commands: [{ kind: 'record', run, state: known.state, text }] };
}

/** Changes a run's state if the state machine allows it; else nothing happens. */
function move(state: ClusterState, run: string, to: RunState, text: string): Advance {
  const known = state.runs.get(run);
  if (known === undefined || transition(known.state, to) === undefined) return { state, commands: [] };
  const next = updateRun(state, run, (record) => ({ ...record, state: to, reason: text }));
  const commands: Command[] = [{ kind: 'record', run, state: to, text }];
  if (isOver(to) || to === 'paused') commands.push(wanted(known, to, 0));
  return { state: next, commands };
}

function onTick(state: ClusterState): Advance {
  let now = state;
  const commands: Command[] = [];
  for (const record of inOrder(now)) {
    const plan = planRun(record, now);
    commands.push(...plan.commands);
    if (plan.next === undefined) continue;
    const moved = move(now, record.document.run, plan.next.state, plan.next.text);
    now = moved.state;
    commands.push(...moved.commands);
  }
  commands.push(...releases(now));
  for (const sweep of now.sweeps.values()) commands.push(...planSweep(sweep, now.runs));
  return { state: now, commands };
}

/**
 * The wish of a run that stands still is written once, and may be lost with the leader or with control
 * Redis: whoever is seen training such a run is told again.
 */
function releases({ workers, runs }: ClusterState): Command[] {
  const trained = new Set(workers.flatMap(({ run }) => (run === null ? [] : [run])));
  return [...trained].flatMap((id) => {
    const run = runs.get(id);
    const standsStill = run !== undefined && (isOver(run.state) || run.state === 'paused');
    return standsStill ? [wanted(run, run.state, 0)] : [];
  });
}

/** Higher priority first, then first come, first served. */
function inOrder(state: ClusterState): RunRecord[] {
  return [...state.runs.values()]
    .filter((run) => !isOver(run.state))
    .sort(
      (a, b) =>
        (b.document.experiment.priority ?? 0) - (a.document.experiment.priority ?? 0) ||
        a.document.createdAt.localeCompare(b.document.createdAt) ||
        a.document.run.localeCompare(b.document.run),
    );
}
