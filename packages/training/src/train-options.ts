import type { Provenance } from '@lvnet/checkpoints';
import type { Engine } from '@lvnet/engine';
import type { WireFormat } from '@lvnet/exchange';
import type { Store } from '@lvnet/store';
import type { TrainingFact } from './facts.js';
import type { TrainingSpec } from './spec.js';

/** Why training ended. */
export type FinishReason = 'epochs' | 'early stop';

export interface TrainOptions {
  spec: TrainingSpec;
  engine: Engine;
  store: Store;
  /** Identity drawn at process start; unique among all workers ever. */
  worker: string;
  /** The tensor Redis. */
  redisUrl: string;
  wire: WireFormat;
  /** What all members must have alike beside the sums' shape, by what it is called. */
  terms: Readonly<Record<string, string>>;
  members: { min: number; wanted: number };
  /** Without `everySteps` the interval follows from what a checkpoint costs and how often all members were lost. */
  checkpoint: { everySteps?: number | undefined; keep: number; bytesPerSecond: number };
  /** Written into manifests. */
  provenance: Required<Pick<Provenance, 'network' | 'data' | 'engineFingerprint'>>;
  stop: { signal: AbortSignal; why: () => 'released' | 'leave' };
  /** With a stop rule: the verdict on the epoch that ended with this step, once there is one. */
  verdict: ((step: number) => Promise<{ stop: boolean } | undefined>) | undefined;
  /** Of checkpoints of these steps those that must stay: what is still to be validated, and the best one. */
  referenced: (steps: readonly number[]) => Promise<readonly number[]>;
  /** Called by every member once the final checkpoint is complete; must be idempotent. */
  finish: (finished: { step: number; epoch: number; digest: string; reason: FinishReason }) => Promise<void>;
  report: (fact: TrainingFact) => void;
}
