import type { Engine } from '@lvnet/engine';
import { readJson, runKeys, type RunDocument, type TrainingPlan } from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { ChildFact, EngineDescription } from '../messages.js';

/** What every task of the trainer child works with. */
export interface TaskContext {
  worker: string;
  store: Store;
  tensorRedisUrl: string;
  engine: Engine;
  engineDescription: EngineDescription;
  report: (fact: ChildFact) => void;
}

/** Aborts when this member must stop; the reason says whether it is wanted no more or going away. */
export interface TaskStop {
  signal: AbortSignal;
  why: () => 'released' | 'leave';
}

/** @throws Failure('STORE_NOT_FOUND') */
export async function readRunDocument(store: Store, run: string): Promise<RunDocument> {
  return readJson(store, runKeys.document(run));
}

export async function readPlan(store: Store, run: string): Promise<TrainingPlan> {
  return readJson(store, runKeys.plan(run));
}
