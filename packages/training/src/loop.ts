import { nextLife, readCheckpoint, readNewest, setAside } from '@lvnet/checkpoints';
import { asFailure, Failure, invariant, sleep, systemClock } from '@lvnet/core';
import { openExchange, retryIn, type Exchange, type Seat } from '@lvnet/exchange';
import { buildNetwork, type Network } from '@lvnet/networks';
import { createCaseCache } from './case-cache.js';
import { injectFaults } from './faults.js';
import { trainAsMember, type Course } from './member.js';
import { createStepSampler } from './sampling.js';
import { epochOf } from './spec.js';
import { decodeState, encodeState, fromCheckpoint, type TrainingState } from './state.js';
import { startState, startStepOf } from './start.js';
import type { FinishReason, TrainOptions } from './train-options.js';
import { createStepLog } from './step-log.js';
import { createStepper, type Reducer, type Stepper } from './stepper.js';
import { openStoreKeeper, type StoreKeeper } from './store-keeper.js';
import { exchangeNote, tellStep } from './telling.js';
import { vectorLayout, type VectorLayout } from './vector-layout.js';
import { findGuilty } from './verify.js';
import { createWorkBook, type Waste, type WorkBook } from './work-book.js';

/** How long the founder of a life waits for others; later ones are let in between two steps. */
const gatherMs = 1_500;
const pollMs = 50;
/** Who finds itself innocent of different weights lets the guilty one speak first. */
const courtesyMs = 3_000;

/** Trains as one member of a run, until the run is finished or this member was told to go. */
export async function trainRun(options: TrainOptions): Promise<'finished' | 'stopped'> {
  const { spec, store, stop, report } = options;
  const network = buildNetwork(spec.network);
  const layout = vectorLayout(
    network.gradientLength,
    network.statisticsLength,
    spec.shards,
    network.headNames,
  );
  const log = createStepLog();
  const keeper = openStoreKeeper(options, network, log);
  const founding = createFounding(options, network);
  const sampler = createStepSampler(spec);
  const work = createWorkBook(options.worker, spec.shards);
  let current: TrainingState | undefined;
  const exchange = openExchange({
    run: spec.run,
    worker: options.worker,
    redisUrl: options.redisUrl,
    shards: spec.shards,
    length: layout.length,
    roundedLength: layout.gradientLength,
    wire: options.wire,
    terms: options.terms,
    minMembers: options.members.min,
    wantedMembers: options.members.wanted,
    gatherMs,
    hasLived: await founding.hasLived(),
    foundLife: () => founding.found(),
    snapshot: () => {
      if (current === undefined) throw new Failure('EXCHANGE_LOST', {}, { message: 'there is no state yet' });
      return { step: current.step, bytes: encodeState(network, current) };
    },
    isEmpty: (step, shard) => sampler.shards(step)[shard]?.length === 0,
    onReport: (fact) => {
      if (fact.kind === 'computed') work.computed(fact);
      const note = exchangeNote(fact, options.worker);
      if (note !== undefined) report(note);
    },
  });
  const cases = createCaseCache(store, spec.cases);
  const stepper = createStepper({ spec, engine: options.engine, network, layout, sampler, cases });
  const course = createCourse(options, {
    ...{ network, layout, exchange, keeper, stepper, log, work },
    begin: (seat) => founding.begin(seat),
  });
  try {
    return await trainAsMember({
      ...{ course, exchange, keeper, mostPending: mostPending(network) },
      clock: systemClock,
      signal: stop.signal,
      onState: (state) => (current = state),
    });
  } finally {
    await keeper.idle();
    await keeper.close();
    await exchange.close();
  }
}

const pendingBytes = 2 ** 28;

/** Snapshots that wait for the store: two at least, more of small networks. */
function mostPending({ gradientLength, statisticsLength }: Network): number {
  const bytes = 4 * (3 * gradientLength + statisticsLength);
  return Math.min(64, Math.max(2, Math.floor(pendingBytes / bytes)));
}

/** Where a life and a seat in it start from. */
function createFounding({ spec, store, report }: TrainOptions, network: Network) {
  let founded: TrainingState | undefined;
  /** What does not verify is done and written again. */
  const leaveOut = async (skipped: readonly { step: number; reason: string }[]) => {
    for (const { step, reason } of skipped) {
      if (step === startStepOf(spec)) continue; // nothing comes before it: startState tells of it
      report({ kind: 'note', text: `checkpoint ${String(step)} was left out: ${reason}` });
      await setAside(store, spec.run, step);
    }
  };
  const newest = async (): Promise<TrainingState> => {
    const found = await readNewest(store, spec.run);
    await leaveOut(found.skipped);
    return found.state === null ? startState(network, spec, store) : fromCheckpoint(network, found.state);
  };
  return {
    async hasLived(): Promise<boolean> {
      for await (const _ of store.list(`runs/${spec.run}/lives/`)) return true;
      return false;
    },
    async found(): Promise<{ life: number; step: number }> {
      founded = await newest();
      return { life: await nextLife(store, spec.run), step: founded.step };
    },
    async begin(seat: Seat): Promise<TrainingState> {
      const own = founded;
      founded = undefined;
      if (seat.state !== null) return decodeState(network, seat.state);
      if (own?.step === seat.step) return own;
      if (seat.step === startStepOf(spec)) return startState(network, spec, store);
      return fromCheckpoint(network, (await readCheckpoint(store, spec.run, seat.step)).state);
    },
  };
}

interface CourseParts {
  network: Network;
  layout: VectorLayout;
  exchange: Exchange;
  keeper: StoreKeeper;
  stepper: Stepper;
  begin: (seat: Seat) => Promise<TrainingState>;
  log: ReturnType<typeof createStepLog>;
  work: WorkBook;
}

function createCourse(options: TrainOptions, parts: CourseParts): Course<TrainingState, FinishReason> {
  const { spec, store, engine, wire, worker, report } = options;
  const { network, layout, exchange, keeper, stepper, log, work } = parts;
  const faults = injectFaults(worker);
  const reducer = membersReducer(exchange, options);
  const tellWaste = (waste: readonly Waste[]) => {
    for (const one of waste) report({ kind: 'wasted', ...one });
  };
  return {
    async begin(seat) {
      log.rewind(seat.step);
      await keeper.begin(seat.life);
      return parts.begin(seat);
    },
    async step(state) {
      await faults.beforeStep(state, network);
      const outcome = await stepper.step(state, faults.around(reducer, layout)).catch((error: unknown) => {
        tellWaste(work.lost(asFailure(error).code === 'MEMBER_EVICTED' ? 'evicted' : 'failed'));
        throw error;
      });
      log.add(outcome.record);
      keeper.stepped(outcome.seconds);
      const view = exchange.view();
      invariant(view !== undefined, 'who committed a step is a member');
      const { shards, waste } = work.committed(outcome.state.step, view);
      tellStep(outcome, { spec, view, rank: exchange.rank(), shards, keeper, report });
      tellWaste(waste);
      for (const blamed of outcome.blamed) {
        const text = `step ${String(outcome.state.step)}: what ${blamed} computed was wrong; another member computed it well`;
        if (exchange.rank() === 0) report({ kind: 'note', text });
        if (blamed === worker)
          throw new Failure('MEMBER_BLAMED', { step: outcome.state.step }, { message: text });
      }
      return outcome.state;
    },
    copy: (state) => keeper.copy(state),
    isDue: (step) => keeper.isDue(step),
    adjourn: () => keeper.adjourn(),
    endOf: (state, meanwhile) => endOf(state, options, meanwhile),
    async finish(state, reason) {
      await options.finish({
        step: state.step,
        epoch: epochOf(spec, state.step),
        digest: state.digest,
        reason,
      });
    },
    async convict(state, mismatch) {
      const failure = await findGuilty(network, state, { spec, wire, engine, store, worker, mismatch });
      const isGuilty = 'guilty' in failure.details;
      if (!isGuilty) await sleep(courtesyMs);
      return { isGuilty, failure };
    },
    note: (text) => {
      report({ kind: 'note', text: `${worker} ${text}` });
    },
  };
}

/** The exchange as the stepper sees it; reports what each attempt moved. */
const membersReducer = (exchange: Exchange, { report }: TrainOptions): Reducer => ({
  async reduce(step, weightsSha256, compute) {
    const found = await exchange.reduce(step, weightsSha256, compute);
    if (found.kind === 'badShard') return found;
    const { kind, attempt, sum, view, waitSeconds, bytesIn, bytesOut } = found;
    report({ kind: 'exchanged', bytesIn, bytesOut });
    const retry = retryIn(view, step) ?? null;
    return { kind, attempt, sum, retry, waitSeconds };
  },
  commit: (step, attempt) => exchange.commit(step, attempt),
  discard: (step, attempt, shard, loss) => exchange.discard(step, attempt, shard, loss),
  skip: (step, shard) => exchange.skip(step, shard),
});

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
