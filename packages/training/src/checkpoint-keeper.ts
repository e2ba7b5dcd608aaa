import { asFailure, type Failure } from '@lvnet/core';

export interface Keepable {
  step: number;
}

export interface KeeperIo<S extends Keepable> {
  /**
   * Does nobody need to write the checkpoint of this step any more? It is complete in the store, or the members
   * mean another step instead.
   */
  isSettled(step: number): Promise<'complete' | 'moot' | 'open'>;
  /** @param isUrgent training waits for it */
  write(state: S, isUrgent: boolean): Promise<void>;
  onWritten(step: number, seconds: number): void;
  onFailed(step: number, failure: Failure): void;
  now(): number;
  monotonicMs(): number;
}

/**
 * Sees to it that every due checkpoint reaches the store whoever dies: each member keeps the snapshot
 * until the checkpoint is complete, and the member that is the writer at the time writes it, in the
 * background. A new writer takes over what the former one left unfinished.
 */
export interface CheckpointKeeper<S extends Keepable> {
  /** Hands over a snapshot (a copy) that must become a checkpoint. */
  due(snapshot: S): void;
  /**
   * Does the next thing, in the background. Call it after every step and while waiting.
   *
   * @param isWriter is it this member that writes the checkpoint of a step?
   * @param isUrgent training waits for what is pending
   */
  tick(isWriter: (step: number) => boolean, isUrgent?: boolean): void;
  /** Steps whose checkpoints are not known to be complete. */
  pending(): number[];
  /** The newest checkpoint that is known to be complete. */
  newest(): { step: number; at: string } | null;
  /** Resolves when nothing is being written or asked at the moment. */
  idle(): Promise<void>;
  /** Forgets what lies beyond the step from which a new life starts. */
  rewind(step: number): void;
}

const askEveryMs = 500;
const retryAfterMs = 1_000;

export function createCheckpointKeeper<S extends Keepable>(io: KeeperIo<S>): CheckpointKeeper<S> {
  let waiting: S[] = [];
  let busy: Promise<void> | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let newest: { step: number; at: string } | null = null;

  const settle = (step: number, how: 'complete' | 'moot') => {
    waiting = waiting.filter((snapshot) => snapshot.step !== step);
    if (how === 'complete') newest = { step, at: new Date(io.now()).toISOString() };
  };
  const writeNext = async (snapshot: S, isUrgent: boolean) => {
    const startMs = io.monotonicMs();
    const found = await io.isSettled(snapshot.step);
    if (found === 'open') {
      await io.write(snapshot, isUrgent);
      io.onWritten(snapshot.step, (io.monotonicMs() - startMs) / 1000);
    }
    settle(snapshot.step, found === 'open' ? 'complete' : found);
  };
  /** Writers keep the order: what comes after an incomplete one need not be asked for. */
  const askNext = async (first: S) => {
    for (let next: S | undefined = first; next !== undefined; next = waiting[0]) {
      const found = await io.isSettled(next.step);
      if (found === 'open') break;
      settle(next.step, found);
    }
    notBeforeMs = io.monotonicMs() + askEveryMs;
  };
  return {
    due(snapshot) {
      if (waiting.every((known) => known.step !== snapshot.step)) waiting.push(snapshot);
    },
    tick(isWriter, isUrgent = false) {
      const next = waiting[0];
      if (next === undefined || busy !== undefined || io.monotonicMs() < notBeforeMs) return;
      busy = (isWriter(next.step) ? writeNext(next, isUrgent) : askNext(next))
        .catch((error: unknown) => {
          notBeforeMs = io.monotonicMs() + retryAfterMs;
          io.onFailed(next.step, asFailure(error));
        })
        .finally(() => {
          busy = undefined;
        });
    },
    pending: () => waiting.map((snapshot) => snapshot.step),
    newest: () => newest,
    idle: async () => {
      await busy;
    },
    rewind(step) {
      waiting = waiting.filter((snapshot) => snapshot.step <= step);
    },
  };
}
