import type { Checking } from './checking.js';
import type { StepExchange } from './step-exchange.js';

/** The step that a member is at. */
export interface CurrentStep {
  exchange: StepExchange;
  weightsSha256: string;
  /** Leaves that the main thread has been asked for. */
  asked: Set<number>;
  /** Leaves of this member that somebody computes in its place, and until when that is believed. */
  taken: Map<number, number>;
  /** Leaves that were not finite and must not be used. */
  poisoned: Set<number>;
  /** Of a step in which a shard is computed twice. */
  checking: Checking | undefined;
  /** The main thread computes the shard for the check. */
  isChecking: boolean;
  shownId: string | undefined;
  lookedMs: number;
  wantedMs: number;
  idleSinceMs: number | undefined;
}
