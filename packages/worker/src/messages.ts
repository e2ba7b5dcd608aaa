import type { FailureCode } from '@lvnet/core';
import type { Job, RunProgress } from '@lvnet/queue';

/** From the supervisor to its trainer child. */
export type ToChild =
  | { kind: 'task'; id: number; job: Job }
  /** 'released': the coordinator wants this member no more. 'leave': this worker is going away. */
  | { kind: 'stop'; id: number; why: 'released' | 'leave' };

/** From the trainer child to its supervisor. */
export type FromChild =
  | { kind: 'ready'; engine: EngineDescription }
  /** Instead of ready: the engine or the store cannot be opened. */
  | { kind: 'refused'; failure: FailureMessage }
  | { kind: 'done'; id: number }
  | { kind: 'failed'; id: number; failure: FailureMessage }
  | { kind: 'fact'; fact: ChildFact };

export interface EngineDescription {
  kind: string;
  fingerprint: string;
  threads: number;
  instructionSet: string;
}

export interface FailureMessage {
  code: FailureCode;
  message: string;
  hint: string;
  details: Record<string, unknown>;
}

/** What the supervisor turns into metrics, progress and log lines. */
export type ChildFact =
  | { kind: 'step'; run: string; phases: StepPhases; shards: number }
  | { kind: 'progress'; run: string; progress: RunProgress }
  | { kind: 'exchanged'; run: string; bytesIn: number; bytesOut: number }
  | { kind: 'wasted'; run: string; outcome: string; cause: string; shards: number; seconds: number }
  | { kind: 'copied'; run: string; seconds: number }
  | { kind: 'checkpointed'; run: string; step: number; seconds: number }
  | { kind: 'note'; run: string; text: string; viewChange?: 'join' | 'leave' | 'lost' | undefined }
  | { kind: 'memory'; bytes: number };

/** Seconds of one step by phase. */
interface StepPhases {
  data: number;
  forward: number;
  backward: number;
  exchange: number;
  update: number;
}
