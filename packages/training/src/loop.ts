import {
  deleteCheckpoint,
  checkpointSteps,
  isCompleteCheckpoint,
  nextLife,
  planRetention,
  readCheckpoint,
  writeCheckpoint,
  writeSteps,
  type Provenance,
} from '@lvnet/checkpoints';
import { asFailure, Failure, sleep, systemClock } from '@lvnet/core';
import type { Engine } from '@lvnet/engine';
import { openExchange, type Exchange, type ExchangeFact, type Seat, type WireFormat } from '@lvnet/exchange';
import { buildNetwork } from '@lvnet/networks';
import type { Store } from '@lvnet/store';
import { createCaseCache } from './case-cache.js';
import { createCheckpointKeeper, type CheckpointKeeper } from './checkpoint-keeper.js';
import type { TrainingFact } from './facts.js';
import { createStepSampler } from './sampling.js';
import { epochOf, isCheckpointStep, type TrainingSpec } from './spec.js';
import {
  copyState,
  decodeState,
  encodeState,
  fromCheckpoint,
  initialState,
  toCheckpoint,
  type TrainingState,
} from './state.js';
import { createStepLog, type StepLog } from './step-log.js';
import { createStepper, type Reducer, type StepOutcome } from './stepper.js';
import { vectorLayout } from './vector-layout.js';

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
  members: { min: number; wanted: number };
  checkpoint: { everySteps: number; keep: number };
  /** Written into manifests. */
  provenance: Required<Pick<Provenance, 'network' | 'data' | 'engineFingerprint'>>;
  stop: { signal: AbortSignal; why: () => 'released' | 'leave' };
  /** With a stop rule: the verdict on the epoch that ended with this step, once there is one. */
  verdict: ((step: number) => Promise<{ stop: boolean } | undefined>) | undefined;
  /** Steps whose checkpoints must stay: those still to be validated, and the best one. */
  referenced: () => Promise<readonly number[]>;
  /** Called by every member once the final checkpoint is complete; must be idempotent. */
  finish: (finished: { step: number; epoch: number; digest: string; reason: FinishReason }) => Promise<void>;
  report: (fact: TrainingFact) => void;
}

/** How long the founder of a life waits for others; later ones are let in between two steps. */
const gatherMs = 1_500;
const pollMs = 50;

/**
 * Trains as one member of a run: take a seat, take over the state, then step after step. A member that
 * lost its seat takes a new one. Returns when the run is finished or this member was told to go.
 */
export async function trainRun(options: TrainOptions): Promise<'finished' | 'stopped'> {
  const trainer = await openTrainer(options);
  try {
    return await trainer.train();
  } finally {
    await trainer.close();
  }
}

interface Trainer {
  train(): Promise<'finished' | 'stopped'>;
  close(): Promise<void>;
}

async function openTrainer(options: TrainOptions): Promise<Trainer> {
  const { spec, store, engine, stop } = options;
  const network = buildNetwork(spec.network);
  const layout = vectorLayout(
    network.gradientLength,
    network.statisticsLength,
    spec.shards,
    network.headNames,
  );
  const sampler = createStepSampler(spec);
  const cases = createCaseCache(store, spec.cases);
  const stepper = createStepper({ spec, engine, network, layout, sampler, cases });
  const log = createStepLog();
  const keeper = openKeeper(options, (state) => toCheckpoint(network, state, spec.stepsPerEpoch), log);
  let current: TrainingState | undefined;
  let founded: TrainingState | undefined;

  const newestState = async (): Promise<TrainingState> => {
    try {
      const { state, skipped } = await readCheckpoint(store, spec.run);
      for (const { step, reason } of skipped) {
        options.report({ kind: 'note', text: `checkpoint ${String(step)} was left out: ${reason}` });
      }
      return fromCheckpoint(network, state);
    } catch (error) {
      if (asFailure(error).code === 'CHECKPOINT_NOT_FOUND') return initialState(network, spec.seed);
      throw error;
    }
  };
  const exchange = await openExchange({
    run: spec.run,
    worker: options.worker,
    redisUrl: options.redisUrl,
    shards: spec.shards,
    length: layout.length,
    roundedLength: layout.gradientLength,
    wire: options.wire,
    minMembers: options.members.min,
    wantedMembers: options.members.wanted,
    gatherMs,
    foundLife: async () => {
      founded = await newestState();
      return { life: await nextLife(store, spec.run), step: founded.step };
    },
    snapshot: () => {
      if (current === undefined) throw new Failure('EXCHANGE_LOST', {}, { message: 'there is no state yet' });
      return { step: current.step, bytes: encodeState(network, current) };
    },
    onReport: (fact) => {
      tellMembership(fact, options);
    },
  });
  const stateOf = async (seat: Seat): Promise<TrainingState> => {
    if (seat.state !== null) return decodeState(network, seat.state);
    if (founded?.step === seat.step) return founded;
    if (seat.step === 0) return initialState(network, spec.seed);
    return fromCheckpoint(network, (await readCheckpoint(store, spec.run, seat.step)).state);
  };
  const takeSeat = async (): Promise<TrainingState> => {
    const seat = await exchange.join(stop.signal);
    const state = await stateOf(seat);
    founded = undefined;
    keeper.rewind(state.step);
    log.rewind(state.step);
    return state;
  };
  const stepOnce = async (state: TrainingState): Promise<TrainingState> => {
    const outcome = await stepper.step(state, tellingBytes(exchange, options));
    log.add(outcome.record);
    if (isCheckpointStep(spec, options.checkpoint.everySteps, outcome.state.step)) {
      keeper.due(copyState(network, outcome.state));
    }
    keeper.tick(exchange.rank() === 0);
    tellStep(outcome, options, exchange, keeper);
    return outcome.state;
  };
  const finish = async (state: TrainingState, reason: FinishReason): Promise<void> => {
    keeper.due(copyState(network, state));
    await settle(keeper, () => exchange.rank() === 0, stop.signal);
    const epoch = epochOf(spec, state.step);
    await options.finish({ step: state.step, epoch, digest: state.digest, reason });
    await exchange.leave({ finished: true });
  };
  /** The last one to go leaves a checkpoint of where the run stands; the others' state lives on with it. */
  const goAway = async (state: TrainingState | undefined): Promise<void> => {
    if (state !== undefined && state.step > 0 && exchange.rank() <= 0) {
      keeper.due(copyState(network, state));
      await settle(keeper, () => true, undefined);
    }
    await exchange.leave();
  };
  const untilEnd = async (): Promise<void> => {
    current = await takeSeat();
    for (;;) {
      const reason = await endOf(current, options, () => {
        keeper.tick(exchange.rank() === 0);
      });
      if (reason !== undefined) {
        await finish(current, reason);
        return;
      }
      if (stop.signal.aborted) throw new Failure('CANCELLED', {}, { message: 'This member was told to go.' });
      current = await stepOnce(current);
    }
  };
  return {
    async train() {
      for (;;) {
        try {
          await untilEnd();
          return 'finished';
        } catch (error) {
          const { code, message } = asFailure(error);
          if (stop.signal.aborted && (code === 'CANCELLED' || code === 'MEMBER_EVICTED')) {
            await goAway(current);
            return 'stopped';
          }
          if (code !== 'MEMBER_EVICTED') {
            await exchange.leave().catch(() => undefined);
            throw error;
          }
          options.report({ kind: 'note', text: `${options.worker} lost its seat: ${message}` });
        }
      }
    },
    async close() {
      await keeper.idle();
      await exchange.close();
    },
  };
}

/** Why the run ends with this state, if it does. An epoch's verdict acts at the end of the next epoch. */
async function endOf(
  state: TrainingState,
  { spec, verdict, stop }: TrainOptions,
  meanwhile: () => void,
): Promise<FinishReason | undefined> {
  if (state.step >= spec.stepsTotal) return 'epochs';
  const judged = state.step - spec.stepsPerEpoch;
  if (verdict === undefined || judged <= 0 || state.step % spec.stepsPerEpoch !== 0) return undefined;
  for (;;) {
    const found = await verdict(judged);
    if (found !== undefined) return found.stop ? 'early stop' : undefined;
    meanwhile();
    await sleep(pollMs, stop.signal);
  }
}

/** Waits until every due checkpoint is in the store, writing while this member is the writer. */
async function settle(
  keeper: CheckpointKeeper<TrainingState>,
  isWriter: () => boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    await keeper.idle();
    if (keeper.pending().length === 0) return;
    keeper.tick(isWriter());
    await sleep(pollMs, signal);
  }
}

function openKeeper(
  options: TrainOptions,
  checkpointOf: (state: TrainingState) => ReturnType<typeof toCheckpoint>,
  log: StepLog,
): CheckpointKeeper<TrainingState> {
  const { spec, store, provenance, report } = options;
  let toldMs = Number.NEGATIVE_INFINITY;
  return createCheckpointKeeper<TrainingState>({
    isComplete: (step) => isCompleteCheckpoint(store, spec.run, step),
    async write(state) {
      await writeSteps(store, spec.run, log.upTo(state.step));
      await writeCheckpoint(store, spec.run, checkpointOf(state), provenance);
      log.written(state.step);
      await dropOld(options);
    },
    onWritten: (step, seconds) => {
      report({ kind: 'checkpointed', step, seconds });
    },
    onFailed(step, failure) {
      const nowMs = systemClock.monotonicMs();
      if (nowMs - toldMs < 30_000) return;
      toldMs = nowMs;
      report({
        kind: 'note',
        text: `checkpoint ${String(step)} cannot be written yet: ${failure.message} ${failure.hint}`,
      });
    },
    now: systemClock.now,
    monotonicMs: systemClock.monotonicMs,
  });
}

async function dropOld({ spec, store, checkpoint, referenced }: TrainOptions): Promise<void> {
  const steps = await checkpointSteps(store, spec.run);
  const plan = { keep: checkpoint.keep, referenced: await referenced() };
  for (const step of planRetention(steps, plan)) await deleteCheckpoint(store, spec.run, step);
}

/** The exchange, which also reports what each step moved. */
const tellingBytes = (exchange: Exchange, { report }: TrainOptions): Reducer => ({
  async reduce(...call) {
    const reduced = await exchange.reduce(...call);
    report({ kind: 'exchanged', bytesIn: reduced.bytesIn, bytesOut: reduced.bytesOut });
    return reduced;
  },
});

function tellStep(
  outcome: StepOutcome,
  { spec, report }: TrainOptions,
  exchange: Exchange,
  keeper: CheckpointKeeper<TrainingState>,
): void {
  const view = exchange.view();
  const { step, digest } = outcome.state;
  report({
    kind: 'step',
    step,
    epoch: epochOf(spec, step),
    stepsTotal: spec.stepsTotal,
    digest,
    losses: outcome.losses,
    members: (view?.members ?? []).map((member, i, all) => ({
      worker: member.worker,
      shards: shardsOf(i, all.length, spec.shards),
    })),
    life: view?.life ?? 0,
    isWriter: exchange.rank() === 0,
    shards: outcome.shardsComputed,
    phases: outcome.phases,
    stepSeconds: outcome.seconds,
    samplesPerSecond: outcome.samples / outcome.seconds,
    checkpoint: keeper.newest(),
  });
}

function shardsOf(position: number, members: number, shards: number): number[] {
  const lo = Math.floor((shards * position) / members);
  const hi = Math.floor((shards * (position + 1)) / members);
  return Array.from({ length: hi - lo }, (_, i) => lo + i);
}

function tellMembership(fact: ExchangeFact, { report, worker }: TrainOptions): void {
  if (fact.kind === 'disconnected') {
    report({ kind: 'note', text: `${worker} lost the tensor Redis: ${fact.message}` });
  }
  if (fact.kind !== 'view') return;
  const names = fact.workers.join(', ');
  const count = `${String(fact.view.members.length)} members now`;
  switch (fact.reason) {
    case 'founded':
      report({
        kind: 'note',
        text: `life ${String(fact.view.life)} begins with ${names}`,
        viewChange: 'join',
      });
      return;
    case 'join':
      report({ kind: 'note', text: `${names} joined; ${count}`, viewChange: 'join' });
      return;
    case 'leave':
      report({ kind: 'note', text: `${names} left; ${count}`, viewChange: 'leave' });
      return;
    case 'lost':
      report({ kind: 'note', text: `${names} was lost; ${count}`, viewChange: 'lost' });
  }
}
