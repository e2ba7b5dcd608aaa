import type { Waste } from './work-book.js';

/** What training reports while it runs; whoever started it turns facts into metrics, progress and logs. */
export type TrainingFact =
  | StepFact
  | { kind: 'exchanged'; bytesIn: number; bytesOut: number }
  /** A checkpoint's copy was made: for so long training waited for it. */
  | { kind: 'copied'; step: number; seconds: number }
  | { kind: 'checkpointed'; step: number; seconds: number }
  | ({ kind: 'wasted' } & Waste)
  | { kind: 'note'; text: string; viewChange?: 'join' | 'leave' | 'lost' };

export interface StepFact {
  kind: 'step';
  step: number;
  epoch: number;
  stepsTotal: number;
  digest: string;
  /** total, main, 1, 2, ... (coarse to fine). */
  losses: Record<string, number>;
  members: { worker: string; shards: number[] }[];
  life: number;
  /** True on the one member that writes logs and checkpoints. */
  isWriter: boolean;
  /** Shards of the sum that this member computed. */
  shards: number;
  phases: PhaseSeconds;
  stepSeconds: number;
  samplesPerSecond: number;
  checkpoint: { step: number; at: string } | null;
}

/** Where the seconds of a step went on this member. */
export interface PhaseSeconds {
  data: number;
  forward: number;
  backward: number;
  exchange: number;
  update: number;
}
