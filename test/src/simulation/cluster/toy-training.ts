import {
  checkpointSteps,
  deleteCheckpoint,
  isCompleteCheckpoint,
  planRetention,
  writeCheckpoint,
} from '@lvnet/checkpoints';
import { Failure, sha256Hex, type Clock } from '@lvnet/core';
import {
  putDocument,
  readJson,
  readJsonIfThere,
  runKeys,
  type FinishedDocument,
  type RunDocument,
  type TrainingPlan,
  type Verdict,
} from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { World } from '../world.js';

/** A run as its members see it together: what the exchange would keep exact. */
interface Training {
  life: number;
  step: number;
  /** When each member was last seen. */
  members: Map<string, number>;
  /** Checkpoints that every member still holds for the store. */
  due: number[];
  finished: FinishedDocument | undefined;
}

export interface TrainingEvents {
  onStep(run: string, worker: string): void;
}

export interface Trainings {
  of(run: string): Training;
  /** Members that were seen of late, in the order in which they took their seats. */
  live(training: Training): string[];
}

const leaseMs = 2_500;

export function createTrainings(world: World): Trainings {
  const trainings = new Map<string, Training>();
  return {
    of(run) {
      let found = trainings.get(run);
      if (found === undefined) {
        found = { life: 0, step: 0, members: new Map(), due: [], finished: undefined };
        trainings.set(run, found);
      }
      return found;
    },
    live: ({ members }) =>
      [...members].filter(([, seenMs]) => world.nowMs() - seenMs < leaseMs).map(([worker]) => worker),
  };
}

export interface TrainingParts {
  store: Store;
  clock: Clock;
  worker: string;
  stepMs: number;
  trainings: Trainings;
  events: TrainingEvents;
  /** Aborts when this member is to go. */
  signal: AbortSignal;
}

export const digestOf = (run: string, step: number): string => sha256Hex(`${run}@${String(step)}`);

/** A member until its run ends or it is to go: the same documents in the same order as the real trainer. */
export async function trainToy(run: string, parts: TrainingParts): Promise<void> {
  const { store, clock, worker, trainings, signal, stepMs } = parts;
  if ((await store.head(runKeys.finished(run))) !== undefined) return;
  const document = await readJson<RunDocument>(store, runKeys.document(run));
  const plan = await readJson<TrainingPlan>(store, runKeys.plan(run));
  const training = trainings.of(run);
  let life = await takeSeat(run, training, parts);
  for (;;) {
    await clock.sleep(stepMs).catch(() => undefined);
    if (training.life !== life || !training.members.has(worker)) {
      life = await takeSeat(run, training, parts);
      continue;
    }
    training.members.set(worker, clock.monotonicMs());
    if (training.finished !== undefined) break;
    const isWriter = () => training.life === life && trainings.live(training)[0] === worker;
    if (signal.aborted) {
      await goAway(run, training, document, plan, parts);
      return;
    }
    if (!isWriter()) continue;
    try {
      await drive(run, training, document, plan, parts, isWriter);
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'STORE_UNREACHABLE')) throw error;
    }
  }
  training.members.delete(worker);
  await putDocument(store, runKeys.finished(run), training.finished);
}

/** Joins whoever is there; nobody there: a new life from the newest checkpoint. */
async function takeSeat(
  run: string,
  training: Training,
  { store, clock, worker, trainings }: TrainingParts,
): Promise<number> {
  if (trainings.live(training).length === 0) {
    const step = (await checkpointSteps(store, run)).at(-1) ?? 0;
    if (trainings.live(training).length === 0) {
      training.life++;
      training.step = step;
      training.due = [];
      training.members = new Map();
    }
  }
  training.members.set(worker, clock.monotonicMs());
  return training.life;
}

/** The writer's turn: write what is due, see whether the run ends here, else take a step. */
async function drive(
  run: string,
  training: Training,
  document: RunDocument,
  plan: TrainingPlan,
  parts: TrainingParts,
  isWriter: () => boolean,
): Promise<void> {
  const { store, worker, events } = parts;
  const reason = await endOf(run, training.step, document, plan, store);
  if (reason === 'wait' || !isWriter()) {
    await writeDue(run, training, document, plan, store, isWriter);
    return;
  }
  if (reason !== undefined) {
    if (!training.due.includes(training.step)) training.due.push(training.step);
    await writeDue(run, training, document, plan, store, isWriter);
    if (!isWriter()) return;
    const { step } = training;
    const epoch = Math.floor(step / plan.stepsPerEpoch);
    const finished: FinishedDocument = { run, step, epoch, digest: digestOf(run, step), reason };
    await putDocument(store, runKeys.finished(run), finished);
    training.finished = finished;
    return;
  }
  training.step++;
  events.onStep(run, worker);
  const { everySteps = plan.stepsPerEpoch } = document.experiment.checkpoint;
  if (training.step % plan.stepsPerEpoch === 0 || training.step % everySteps === 0)
    training.due.push(training.step);
  await writeDue(run, training, document, plan, store, isWriter);
}

async function endOf(
  run: string,
  step: number,
  document: RunDocument,
  plan: TrainingPlan,
  store: Store,
): Promise<FinishedDocument['reason'] | 'wait' | undefined> {
  if (step >= plan.stepsTotal) return 'epochs';
  const judged = step - plan.stepsPerEpoch;
  const hasRule = document.experiment.training.stop !== undefined;
  if (!hasRule || judged <= 0 || step % plan.stepsPerEpoch !== 0) return undefined;
  const verdict = await readJsonIfThere<Verdict>(store, runKeys.verdict(run, judged));
  if (verdict === null) return 'wait';
  return verdict.stop ? 'early stop' : undefined;
}

async function writeDue(
  run: string,
  training: Training,
  document: RunDocument,
  plan: TrainingPlan,
  store: Store,
  isWriter: () => boolean,
): Promise<void> {
  for (;;) {
    const [step] = training.due;
    if (step === undefined || !isWriter()) return;
    await writeOne(run, step, document, plan, store);
    training.due = training.due.filter((other) => other !== step);
  }
}

async function writeOne(
  run: string,
  step: number,
  document: RunDocument,
  plan: TrainingPlan,
  store: Store,
): Promise<void> {
  if (await isCompleteCheckpoint(store, run, step)) return;
  const epoch = Math.floor(step / plan.stepsPerEpoch);
  const tensors = { weights: [], optimizer: [], lossHistory: [], sampler: { epoch, position: 0 } };
  await writeCheckpoint(
    store,
    run,
    { step, epoch, digest: digestOf(run, step), ...tensors },
    { createdAt: '' },
  );
  const referenced = await referencedSteps(run, document, plan, store);
  const { keep } = document.experiment.checkpoint;
  for (const old of planRetention(await checkpointSteps(store, run), { keep, referenced }))
    await deleteCheckpoint(store, run, old);
}

async function referencedSteps(
  run: string,
  document: RunDocument,
  plan: TrainingPlan,
  store: Store,
): Promise<number[]> {
  if (document.split.validation.length === 0) return [];
  const kept: number[] = [];
  for (const step of await checkpointSteps(store, run)) {
    if (step % plan.stepsPerEpoch !== 0) continue;
    const verdict = await readJsonIfThere<Verdict>(store, runKeys.verdict(run, step));
    if (verdict === null) kept.push(step);
    else if (verdict.best !== null) kept.push(verdict.best.step);
  }
  return kept;
}

/** The last one to go leaves a checkpoint of where the run stands. */
async function goAway(
  run: string,
  training: Training,
  document: RunDocument,
  plan: TrainingPlan,
  { store, clock, worker, trainings }: TrainingParts,
): Promise<void> {
  const isAlone = () => trainings.live(training).every((other) => other === worker);
  while (isAlone() && training.step > 0) {
    try {
      for (const step of [...training.due, training.step]) await writeOne(run, step, document, plan, store);
      break;
    } catch {
      training.members.set(worker, clock.monotonicMs());
      await clock.sleep(300);
    }
  }
  training.members.delete(worker);
}
