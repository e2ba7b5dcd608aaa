import { invariant, type Clock } from '@lvnet/core';
import { runKeys } from '@lvnet/experiments';
import type { Producer, Registry } from '@lvnet/queue';
import type { writeSweepReport } from '@lvnet/reports';
import type { Store } from '@lvnet/store';
import { putDocument } from '@lvnet/experiments';
import { recordRunEvent } from '@lvnet/experiments';
import { findRun } from './rediscover.js';
import { reportSweep } from './sweep-report.js';
import type { ClusterEvent, ClusterState, Command } from './cluster-state.js';

/** Carries out what the reducer decided; what it learns comes back as events. */
export interface Executor {
  execute(command: Command, state: ClusterState): Promise<ClusterEvent[]>;
}

interface ExecutorParts {
  store: Store;
  registry: Registry;
  producer: Producer;
  /** Draws a sweep's table and plot. */
  writeSweepReport: typeof writeSweepReport;
  clock: Clock;
}

/** A job that is wanted on every tick is offered to Redis only this often. */
const ensureAgainMs = 2_000;

export function createExecutor(
  { store, registry, producer, clock, writeSweepReport }: ExecutorParts,
  leader: { fence: number; nextEvent: () => number },
): Executor {
  const offeredMs = new Map<string, number>();
  const wished = new Map<string, { text: string; atMs: number }>();

  return {
    async execute(command, state) {
      switch (command.kind) {
        case 'ensureJob': {
          const nowMs = clock.monotonicMs();
          if (nowMs - (offeredMs.get(command.jobId) ?? Number.NEGATIVE_INFINITY) < ensureAgainMs) return [];
          await producer.ensure(command.queue, command.jobId, command.job);
          offeredMs.set(command.jobId, nowMs);
          return [];
        }
        case 'wantRun': {
          const nowMs = clock.monotonicMs();
          const text = JSON.stringify(command.entry);
          const before = wished.get(command.entry.run);
          if (before?.text === text && nowMs - before.atMs < ensureAgainMs) return [];
          await registry.setRun({ ...command.entry, fence: leader.fence });
          wished.set(command.entry.run, { text, atMs: nowMs });
          return [];
        }
        case 'record': {
          const position = { leader: leader.fence, count: leader.nextEvent() };
          const at = new Date(clock.now()).toISOString();
          await recordRunEvent(store, command.run, position, {
            at,
            state: command.state,
            text: command.text,
          });
          return [];
        }
        case 'put':
          await putDocument(store, command.key, command.value);
          return [];
        case 'submitTrial': {
          const trial = state.sweeps.get(command.sweep)?.document.trials[command.trial];
          invariant(trial !== undefined, 'a planned trial belongs to a known sweep');
          await putDocument(store, runKeys.document(trial.run), trial.document);
          return [await findRun(store, trial.run)];
        }
        case 'reportSweep': {
          const sweep = state.sweeps.get(command.sweep);
          invariant(sweep !== undefined, 'a reported sweep is known');
          await reportSweep(store, sweep.document, state, writeSweepReport);
          return [{ kind: 'sweepFound', document: sweep.document, reported: true }];
        }
      }
    },
  };
}
