import { Failure } from '@lvnet/core';
import { keys } from '@lvnet/redis';
import type { Bucket } from './buckets.js';
import { takenMessage, tensorSeconds, wantMessage, type Context } from './context.js';
import { decide, type Decision } from './decide.js';
import { nextSuspects, type Evidence, type Suspects } from './evidence.js';
import { createMemory } from './memory.js';
import type { Replies } from './messages.js';
import { speculate } from './speculate.js';
import { createStepExchange, type StepExchange } from './step-exchange.js';
import type { TensorKey } from './tensor-keys.js';
import {
  attemptOf,
  badShards,
  computerOf,
  isActive,
  isSkipped,
  rankOf,
  shardsOf,
  withBarred,
  withSkipped,
  type View,
} from './view.js';

const tickMs = 25;
const lookAroundMs = 100;
const admitEveryMs = 400;
const dealEveryMs = 10_000;
/** Waiting for so long is not usual any more: others are asked to send again. */
const patienceMs = 1_000;
/** How many leaves the main thread has at a time: the next one waits for it, so that it never waits. */
const handedOut = 2;
/** Steps whose sums stay on the server while somebody follows to catch up; else the last two. */
const followedSteps = 16;

/** The steps of a member with a seat, one after the other. */
export interface Stepping {
  reduce(step: number, weightsSha256: string): Promise<Replies['reduce']>;
  leaf(step: number, shard: number, values: Float32Array, seconds: number, finite: boolean): void;
  /** False where the members do the step again. */
  commit(step: number, attempt: number): Promise<boolean>;
  /** The sum of an attempt shows that a shard is wrong: the step is done again, with it at another member. */
  discard(step: number, attempt: number, shard: number, loss: number): Promise<undefined>;
  /** The step is done again without a shard's samples. */
  skip(step: number, shard: number): Promise<undefined>;
  /** While no step is on, as before the last checkpoint is complete: buries the dead. */
  watch(): Promise<void>;
  /** Forgets the steps of a former seat. */
  reset(): Promise<void>;
}

interface Current {
  exchange: StepExchange;
  weightsSha256: string;
  /** Leaves that the main thread has been asked for. */
  asked: Set<number>;
  /** Leaves of this member that somebody computes in its place, and until when that is believed. */
  taken: Map<number, number>;
  /** Leaves that were not finite and must not be used. */
  poisoned: Set<number>;
  shownId: string | undefined;
  lookedMs: number;
  wantedMs: number;
  idleSinceMs: number | undefined;
}

export function createStepping(context: Context, buckets: readonly Bucket[]): Stepping {
  const { options, clock, link, membership, send } = context;
  const { run, worker, shards } = options;
  const wire = { format: options.wire, roundedLength: options.roundedLength };
  const memory = createMemory();
  const most = Math.min(options.wantedMembers, shards);
  const written = new Map<number, string[]>();
  let early: { key: TensorKey; sender: string }[] = [];
  let current: Current | undefined;
  let previous: StepExchange | undefined;
  let isReducing = false;
  let suspects: Suspects = new Map();
  let admitMs = Number.NEGATIVE_INFINITY;
  let dealAgainMs = Number.NEGATIVE_INFINITY;

  context.onAnnounced = (key, sender) => {
    const { step } = key.position;
    if (current?.exchange.step === step) current.exchange.announced(key, sender);
    else if (step > (current?.exchange.step ?? 0)) early.push({ key, sender });
  };
  context.onWanted = (step, bucket) => {
    if (current?.exchange.step === step) current.exchange.sendAgain(bucket);
    if (previous?.step === step) previous.sendAgain(bucket);
    serve();
  };
  context.onTaken = (step, shard) => {
    if (current?.exchange.step !== step) return;
    const untilMs = clock.monotonicMs() + 1_000 + 3_000 * context.leafTimes.medianSeconds();
    current.taken.set(shard, untilMs);
  };
  context.onReconnected = () => {
    current?.exchange.sendAgain();
    previous?.sendAgain();
    serve();
  };
  /** Between two steps nobody waits here, but others may wait for what this member holds. */
  const serve = () => {
    if (isReducing || context.view === undefined || !context.seated) return;
    for (const exchange of [current?.exchange, previous]) {
      try {
        exchange?.advance(context.view, new Set(), false);
      } catch {
        continue; // a lost connection: asked again after the next one
      }
    }
  };

  // ---- one step

  const open = async (step: number, weightsSha256: string): Promise<Current> => {
    // Again: the leaves are still there.
    if (current?.exchange.step === step && current.weightsSha256 === weightsSha256) return current;
    await previous?.idle(); // its sum's place is used again
    await current?.exchange.close();
    previous = current?.exchange;
    const sum = new Float32Array(options.sums[step % 2 === 0 ? 0 : 1]);
    const exchange = createStepExchange(
      {
        ...{ link, run, worker, shards, buckets, wire, memory },
        expireSeconds: tensorSeconds,
        onProgress: () => {
          context.wake();
        },
      },
      step,
      weightsSha256,
      sum,
    );
    for (const { key, sender } of early) if (key.position.step === step) exchange.announced(key, sender);
    early = early.filter(({ key }) => key.position.step > step);
    const nowMs = clock.monotonicMs();
    return {
      ...{ exchange, weightsSha256, shownId: undefined, idleSinceMs: undefined },
      ...{ asked: new Set<number>(), taken: new Map<number, number>(), poisoned: new Set<number>() },
      ...{ lookedMs: nowMs, wantedMs: nowMs },
    };
  };
  const reduce = async (step: number, weightsSha256: string): Promise<Replies['reduce']> => {
    const now = await open(step, weightsSha256);
    current = now;
    context.progress = { step, done: 0, startedMs: undefined, ready: true };
    await context.insist(() => dropOld(step));
    await context.insist(() => admit(step));
    for (;;) {
      const view = await context.insist(currentView);
      await settleViewChange(now, view);
      if (now.exchange.isDone(view)) break;
      const [bad] = badShards(view, step);
      if (bad !== undefined) return { kind: 'badShard', shard: bad };
      if (now.poisoned.size > 0) {
        await context.insist(() => confess(now, view));
        continue;
      }
      handOut(now, view);
      const lookAround = clock.monotonicMs() - now.lookedMs > lookAroundMs;
      if (!(await advance(now, view, lookAround))) continue;
      if (lookAround) {
        now.lookedMs = clock.monotonicMs();
        await context.insist(() => look(now, view));
      }
      if (now.exchange.isDone(view)) break;
      await context.pause(tickMs);
    }
    const { exchange } = now;
    written.set(step, exchange.written());
    const { bytes } = exchange;
    const view = context.view as View;
    const { attempt } = exchange.position();
    return { kind: 'reduced', attempt, view, bytesIn: bytes.in, bytesOut: bytes.out };
  };
  /** False where the connection broke: everything is asked for anew. */
  const advance = async (now: Current, view: View, lookAround: boolean): Promise<boolean> => {
    try {
      now.exchange.advance(view, ownShards(now, view), lookAround);
      previous?.advance(view, new Set(), false);
      return true;
    } catch (error) {
      await context.recover(error);
      return false;
    }
  };
  const currentView = async (): Promise<View> => {
    if (context.viewIsOld || context.view === undefined) {
      context.viewIsOld = false;
      const found = await membership.read();
      if (found === undefined && context.view !== undefined) await membership.restore(context.view);
      context.view = found ?? context.view;
    }
    const { view } = context;
    if (view === undefined || rankOf(view, worker) < 0) throw evicted(view);
    return view;
  };
  /** Who went may have finished this step: then all of it is there, and nothing is computed again. */
  const settleViewChange = async (now: Current, view: View): Promise<void> => {
    const isNew = now.shownId !== undefined && now.shownId !== view.id;
    now.shownId = view.id;
    if (!isNew || !(await advance(now, view, true))) return;
    await now.exchange.idle();
  };

  // ---- who computes what

  /** Leaves that this member delivers: its own, but for those that somebody else took over. */
  const ownShards = (now: Current, view: View): Set<number> => {
    const nowMs = clock.monotonicMs();
    const own = shardsOf(view, worker, now.exchange.step, shards);
    const isTaken = (shard: number) => !now.exchange.hasLeaf(shard) && (now.taken.get(shard) ?? 0) > nowMs;
    return new Set(own.filter((shard) => !isTaken(shard)));
  };
  const handOut = (now: Current, view: View): void => {
    const { exchange, asked } = now;
    const own = [...ownShards(now, view)];
    for (const shard of own) {
      if (asked.size >= handedOut) break;
      if (!exchange.hasLeaf(shard) && !asked.has(shard)) ask(now, shard);
    }
    context.progress.done = own.filter((shard) => exchange.hasLeaf(shard)).length;
    const isIdle = asked.size === 0 && context.progress.done === own.length;
    now.idleSinceMs = isIdle ? (now.idleSinceMs ?? clock.monotonicMs()) : undefined;
  };
  const ask = ({ asked, exchange }: Current, shard: number): void => {
    if (asked.size === 0) context.progress.startedMs = clock.monotonicMs();
    asked.add(shard);
    const skipped = context.view !== undefined && isSkipped(context.view, shard, exchange.step);
    send({ kind: 'compute', step: exchange.step, shard, skipped });
  };
  /** Computes a leaf in place of somebody slow. */
  const help = async (now: Current, view: View, evidence: ReadonlyMap<string, Evidence>): Promise<void> => {
    const { idleSinceMs, exchange, asked, taken } = now;
    if (idleSinceMs === undefined) return;
    const waitedMs = clock.monotonicMs() - idleSinceMs;
    const held = Array.from({ length: shards }, (_, shard) => shard).filter((shard) =>
      exchange.hasLeaf(shard),
    );
    const { step } = exchange;
    const known = new Set([...held, ...asked, ...taken.keys()]);
    const shard = speculate({ view, me: worker, step, leaves: shards, evidence, taken: known, waitedMs });
    if (shard === undefined) return;
    await membership.announce(takenMessage(step, shard));
    send({ kind: 'fact', fact: { kind: 'speculated', step, shard } });
    ask(now, shard);
  };

  // ---- the others

  const look = async (now: Current, view: View): Promise<void> => {
    context.viewIsOld = true; // also catches a view message that was lost
    const evidence = await evidenceOfOthers(view);
    if (evidence.size === 0 || (await bury(view, now.exchange.step, evidence))) return;
    await help(now, view, evidence);
    await insistOnSums(now, view);
  };
  const evidenceOfOthers = async (view: View): Promise<ReadonlyMap<string, Evidence>> => {
    const others = view.members.map((member) => member.worker).filter((name) => name !== worker);
    return others.length === 0 ? new Map<string, Evidence>() : membership.evidence(others);
  };
  const bury = async (
    view: View,
    step: number,
    evidence: ReadonlyMap<string, Evidence>,
  ): Promise<boolean> => {
    suspects = nextSuspects(suspects, evidence, clock.monotonicMs());
    const decision = decide(clock.monotonicMs(), situation(view, step, evidence, [], false), context.newId());
    if (decision !== undefined) await carryOut(view, decision);
    return decision !== undefined;
  };
  const situation = (
    view: View,
    step: number,
    evidence: ReadonlyMap<string, Evidence>,
    standbys: readonly string[],
    betweenSteps: boolean,
  ) => ({
    ...{ view, me: worker, step, leaves: shards, most, evidence, suspects, standbys, betweenSteps },
    trustUntilMs: context.trustUntilMs,
    dealAgainMs,
  });
  const carryOut = async (before: View, { view, reason, workers, why }: Decision): Promise<boolean> => {
    dealAgainMs = clock.monotonicMs() + dealEveryMs;
    return context.change(before, view, reason, workers, why);
  };
  /** After a long wait: asks whoever has what is missing, and notices when the others are far ahead. */
  const insistOnSums = async (now: Current, view: View): Promise<void> => {
    const { exchange, idleSinceMs } = now;
    const nowMs = clock.monotonicMs();
    if (nowMs - (idleSinceMs ?? nowMs) < patienceMs || nowMs - now.wantedMs < patienceMs) return;
    now.wantedMs = nowMs;
    const head = (await membership.head(view.life)) ?? 0;
    // The sums of two steps stay, those of more only for followers: beyond that nobody can help.
    const isLeftBehind = head > exchange.step && nowMs - (idleSinceMs ?? nowMs) > 3 * patienceMs;
    if (head > exchange.step + 1 || isLeftBehind) throw evicted(view);
    await Promise.all(
      exchange.missing().map((bucket) => membership.announce(wantMessage(exchange.step, bucket))),
    );
  };
  /** Between two steps the first member lets others in, with its state, and deals the leaves anew. */
  const admit = async (step: number): Promise<void> => {
    const view = await currentView();
    const nowMs = clock.monotonicMs();
    const isFollowed = view.members.some((member) => !isActive(view, member, step));
    if (rankOf(view, worker) !== 0 || (!isFollowed && nowMs - admitMs < admitEveryMs)) return;
    admitMs = nowMs;
    const standbys = view.members.length < most ? await membership.standbys() : [];
    const workers = view.members.map((member) => member.worker);
    const evidence = workers.length > 1 ? await membership.evidence(workers) : new Map<string, Evidence>();
    const decision = decide(nowMs, situation(view, step, evidence, standbys, true), context.newId());
    if (decision === undefined) return;
    if (decision.reason === 'join' && !(await leaveState(step - 1))) return;
    await carryOut(view, decision);
  };
  const leaveState = async (step: number): Promise<boolean> => {
    const reply = await context.ask({ kind: 'needSnapshot' });
    if (reply.kind !== 'snapshot' || reply.step !== step) return false;
    await link.command(['SET', keys.state(run, step), reply.bytes, 'EX', tensorSeconds]);
    return true;
  };
  /** Says that a shard came out not finite here, so that somebody else computes it in the next attempt. */
  const confess = async (now: Current, view: View): Promise<void> => {
    const { step } = now.exchange;
    const [shard] = now.poisoned;
    if (shard === undefined) return;
    const barred = { shard, worker, why: 'not finite', loss: null } as const;
    const why = `step ${String(step)}: shard ${String(shard)} is not finite on ${worker}`;
    const outcome = await again(view, withBarred(view, step, barred, context.newId()), step, worker, why);
    // Committed: somebody else computed it, and well.
    if (outcome !== 'outdated') now.poisoned.delete(shard);
  };
  /** A new attempt of a step, unless it is committed. */
  const again = async (view: View, next: View, step: number, blamed: string, why: string) => {
    const outcome = await membership.retry(view, next, step);
    if (outcome === 'done') await context.adopt(next, 'retry', [blamed], why);
    else context.viewIsOld = true;
    return outcome;
  };
  /** Proposes a new attempt until it, or one like it, is the view's, or the step is committed. */
  const propose = (
    step: number,
    isThere: (view: View) => boolean,
    proposal: (view: View) => { next: View; blamed: string; why: string },
  ): Promise<undefined> =>
    context.insist(async () => {
      for (;;) {
        const view = await currentView();
        if (isThere(view)) return undefined;
        const { next, blamed, why } = proposal(view);
        if ((await again(view, next, step, blamed, why)) !== 'outdated') return undefined;
      }
    });
  const dropOld = async (step: number): Promise<void> => {
    const { view } = context;
    const isFollowed = view?.members.some(
      (member) => !isActive(view, member, step) || (member.source === 'peer' && member.fromStep > step - 4),
    );
    const keep = isFollowed === true ? followedSteps : 2;
    for (const [past, names] of written) {
      if (past > step - keep) continue;
      if (names.length > 0) await link.command(['UNLINK', ...names]);
      written.delete(past);
    }
  };

  return {
    async reduce(step, weightsSha256) {
      isReducing = true;
      try {
        return await reduce(step, weightsSha256);
      } finally {
        isReducing = false;
      }
    },
    leaf(step, shard, values, seconds, finite) {
      if (current?.exchange.step !== step) return;
      const { asked, exchange, poisoned } = current;
      asked.delete(shard);
      context.leafTimes.add(seconds);
      context.progress.startedMs = asked.size > 0 ? clock.monotonicMs() : undefined;
      if (finite) exchange.leaf(shard, values);
      else poisoned.add(shard);
      context.wake();
    },
    async commit(step, attempt) {
      const life = current?.exchange.position().life ?? 0;
      const committed = await context.insist(() => membership.commit(life, step, attempt));
      if (committed) context.committed = step;
      else context.viewIsOld = true;
      return committed;
    },
    discard: (step, attempt, shard, loss) =>
      propose(
        step,
        (view) => attemptOf(view, step) > attempt,
        (view) => {
          const home = computerOf(view, shard, step) ?? worker;
          const barred = { shard, worker: home, why: 'loss spike', loss } as const;
          const why = `step ${String(step)}: the loss of shard ${String(shard)}, computed by ${home}, jumps to ${loss.toPrecision(3)}`;
          return { next: withBarred(view, step, barred, context.newId()), blamed: home, why };
        },
      ),
    skip: (step, shard) =>
      propose(
        step,
        (view) => isSkipped(view, shard, step),
        (view) => {
          const why = `step ${String(step)}: shard ${String(shard)} is left out, its samples are bad`;
          return { next: withSkipped(view, step, shard, context.newId()), blamed: '', why };
        },
      ),
    async watch() {
      if (isReducing || !context.seated) return;
      context.viewIsOld = true;
      const view = await currentView();
      await bury(view, context.progress.step, await evidenceOfOthers(view));
      // A step that has begun meanwhile tells of its view itself.
      send({ kind: 'seen', view: context.view ?? view });
    },
    async reset() {
      await current?.exchange.close();
      await previous?.close();
      [current, previous] = [undefined, undefined];
      early = [];
      suspects = new Map();
    },
  };
}

function evicted(view: View | undefined): Failure {
  return new Failure(
    'MEMBER_EVICTED',
    { life: view?.life ?? null, number: view?.number ?? null },
    { message: 'the members went on without this worker', hint: 'It takes a new seat by itself.' },
  );
}
