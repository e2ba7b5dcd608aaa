import type {
  CaseResult,
  FinishedDocument,
  PreparedRecord,
  RunDocument,
  RunState,
  SweepDocument,
  Verdict,
} from '@lvnet/experiments';
import type { ClusterRequest, Job, QueueRef, RunEntry, WorkerEntry } from '@lvnet/queue';

/** Everything the coordinator knows, as plain data. Rebuilt from the store after a restart. */
export interface ClusterState {
  runs: ReadonlyMap<string, RunRecord>;
  sweeps: ReadonlyMap<string, SweepRecord>;
  workers: readonly WorkerEntry[];
}

export interface RunRecord {
  document: RunDocument;
  state: RunState;
  /** Where a pause came from, so that resume goes back there. */
  reason: string | null;
  facts: RunFacts;
}

/** What the store shows of a run. Level-triggered: the newest observation replaces the last. */
export interface RunFacts {
  prepared: readonly PreparedRecord[];
  planned: boolean;
  /** Complete checkpoints at the end of an epoch. */
  epochEnds: readonly { epoch: number; step: number }[];
  results: readonly CaseResult[];
  verdicts: readonly Verdict[];
  finished: FinishedDocument | null;
  reported: boolean;
}

export interface SweepRecord {
  document: SweepDocument;
  reported: boolean;
}

export type ClusterEvent =
  | { kind: 'runFound'; document: RunDocument; state: RunState; reason: string | null }
  | { kind: 'sweepFound'; document: SweepDocument; reported: boolean }
  | { kind: 'workersSeen'; workers: readonly WorkerEntry[] }
  | { kind: 'runObserved'; run: string; facts: RunFacts }
  | { kind: 'requested'; request: ClusterRequest }
  | { kind: 'tick' };

export type Command =
  | { kind: 'ensureJob'; queue: QueueRef; jobId: string; job: Job }
  | { kind: 'wantRun'; entry: Omit<RunEntry, 'fence'> }
  | { kind: 'record'; run: string; state: RunState; text: string }
  | { kind: 'put'; key: string; value: unknown }
  | { kind: 'submitTrial'; sweep: string; trial: number }
  | { kind: 'reportSweep'; sweep: string };

export interface Advance {
  state: ClusterState;
  commands: Command[];
}

export const emptyCluster: ClusterState = { runs: new Map(), sweeps: new Map(), workers: [] };

export const noFacts: RunFacts = {
  prepared: [],
  planned: false,
  epochEnds: [],
  results: [],
  verdicts: [],
  finished: null,
  reported: false,
};

export const isOver = (state: RunState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';
