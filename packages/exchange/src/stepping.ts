import type { Bucket } from './buckets.js';
import { checkedShard } from './check.js';
import { createChecking } from './checking.js';
import { tensorSeconds, wantMessage, type Context } from './context.js';
import type { CurrentStep } from './current-step.js';
import { currentView, evicted, giveBack, seatedView } from './current-view.js';
import { createHandingOut } from './handing-out.js';
import { createFloats, createHalves } from './memory.js';
import { isFollowed } from './neighbours.js';
import { createNotices } from './notices.js';
import type { Leaf, Replies } from './messages.js';
import { createRetrying } from './retrying.js';
import { createStepExchange, type StepExchange } from './step-exchange.js';
import type { TensorKey } from './tensor-keys.js';
import { badShards, followedSteps, isOutdatedLeaf, isSkipped, type View } from './view.js';
import { createWatching } from './watching.js';

const lookAroundMs = 100;
/** Waiting for so long is not usual any more: others are asked to send again. */
const patienceMs = 1_000;

/** The steps of a member with a seat, one after the other. */
export interface Stepping {
  reduce(step: number, weightsSha256: string): Promise<Replies['reduce']>;
  leaf(leaf: Leaf): void;
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

export function createStepping(context: Context, buckets: readonly Bucket[]): Stepping {
  const { options, clock, link, membership, neighbours, peers, send } = context;
  const { run, worker, shards } = options;
  const wire = { format: options.wire, roundedLength: options.roundedLength };
  const [memory, halves, notices] = [createFloats(), createHalves(), createNotices(link)];
  const isNear = (view: View, step: number, other?: string) =>
    other === undefined ? neighbours.readAll(view, step) : neighbours.reads(other);
  const written = new Map<number, string[]>();
  let early: { key: TensorKey; sender: string }[] = [];
  let current: CurrentStep | undefined;
  let previous: StepExchange | undefined;
  let isReducing = false;
  let seen = { id: '', workers: new Set<string>() };
  const watching = createWatching(context);
  const retrying = createRetrying(context);
  const handing = createHandingOut(context);

  context.onAnnounced = (key, sender) => {
    const { step } = key.position;
    if (current?.exchange.step === step) current.exchange.announced(key, sender);
    else if (step > (current?.exchange.step ?? 0)) early.push({ key, sender });
  };
  context.onWanted = (step, bucket) => {
    neighbours.doubt();
    if (current?.exchange.step === step) current.exchange.sendAgain(bucket);
    if (previous?.step === step) previous.sendAgain(bucket);
    serve();
  };
  context.onTaken = (step, shard) => {
    if (current?.exchange.step !== step) return;
    const untilMs = clock.monotonicMs() + 1_000 + 3_000 * context.leafTimes.medianSeconds();
    current.taken.set(shard, untilMs);
  };
  context.onChecked = (step) => {
    if (current?.exchange.step === step) current.checking?.news();
  };
  context.onReconnected = () => {
    current?.checking?.sayAgain();
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

  const open = async (step: number, weightsSha256: string): Promise<CurrentStep> => {
    // Again: the leaves are still there.
    if (current?.exchange.step === step && current.weightsSha256 === weightsSha256) return current;
    await previous?.idle(); // its sum's place is used again
    if (previous !== undefined) written.set(previous.step, previous.written()); // some of it late
    await current?.exchange.close();
    previous = current?.exchange;
    const sum = new Float32Array(options.sums[step % 2 === 0 ? 0 : 1]);
    const exchange = createStepExchange(
      {
        ...{ link, notices, run, worker, shards, buckets, wire, memory, halves, peers, isNear },
        expireSeconds: tensorSeconds,
        onProgress: () => {
          context.wake();
        },
        onStrange: context.onStrange,
      },
      step,
      weightsSha256,
      sum,
    );
    for (const { key, sender } of early) if (key.position.step === step) exchange.announced(key, sender);
    early = early.filter(({ key }) => key.position.step > step);
    const nowMs = clock.monotonicMs();
    const shard = checkedShard(step, options.checkEverySteps, shards);
    const checking = shard === undefined ? undefined : createChecking(context, retrying, step, shard);
    return {
      ...{ exchange, weightsSha256, checking, isChecking: false, shownId: undefined, idleSinceMs: undefined },
      ...{ asked: new Set<number>(), taken: new Map<number, number>(), poisoned: new Set<number>() },
      ...{ lookedMs: nowMs, wantedMs: nowMs },
    };
  };
  const reduce = async (step: number, weightsSha256: string): Promise<Replies['reduce']> => {
    const now = await open(step, weightsSha256);
    current = now;
    context.progress = { step, done: 0, startedMs: undefined, ready: true };
    dropOld(step);
    await context.insist(() => watching.admit(step));
    for (;;) {
      const view = seatedView(context) ?? (await context.insist(() => currentView(context)));
      keepNeighbours(view);
      neighbours.greet(view);
      await settleViewChange(now, view);
      const { checking } = now;
      if (checking !== undefined) await context.insist(() => checking.advance(view, false));
      if (isOver(now, view)) break;
      const [bad] = badShards(view, step);
      if (bad !== undefined) return { kind: 'badShard', shard: bad };
      const [poisoned] = now.poisoned;
      if (poisoned !== undefined) {
        if (await context.insist(() => retrying.confess(view, step, poisoned))) now.poisoned.delete(poisoned);
        continue;
      }
      handing.handOut(now, view);
      const lookAround = clock.monotonicMs() - now.lookedMs >= lookAroundMs;
      if (!(await advance(now, view, lookAround))) continue;
      if (lookAround) {
        now.lookedMs = clock.monotonicMs();
        await context.insist(() => look(now, view));
      }
      if (isOver(now, view)) break;
      await context.pause(Math.max(1, lookAroundMs - (clock.monotonicMs() - now.lookedMs)));
    }
    const { exchange } = now;
    written.set(step, exchange.written());
    const { bytes } = exchange;
    const view = context.view as View;
    const { attempt } = exchange.position();
    return { kind: 'reduced', attempt, view, bytesIn: bytes.in, bytesOut: bytes.out };
  };
  const isOver = ({ exchange, checking }: CurrentStep, view: View): boolean =>
    exchange.isDone(view) && checking?.isPassed() !== false;
  /** False where the connection broke: everything is asked for anew. */
  const advance = async (now: CurrentStep, view: View, lookAround: boolean): Promise<boolean> => {
    try {
      now.exchange.advance(view, handing.ownShards(now, view), lookAround);
      previous?.advance(view, new Set(), false);
      return true;
    } catch (error) {
      await context.recover(error);
      return false;
    }
  };
  /** Who went may have finished this step: then all of it is there, and nothing is computed again. */
  const settleViewChange = async (now: CurrentStep, view: View): Promise<void> => {
    const isNew = now.shownId !== undefined && now.shownId !== view.id;
    now.shownId = view.id;
    if (!isNew) return;
    await now.exchange.idle(); // an attempt that this view ends
    if (await advance(now, view, true)) await now.exchange.idle();
  };

  // ---- the others

  const look = async (now: CurrentStep, view: View): Promise<void> => {
    context.viewIsOld = true; // also catches a view message that was lost
    const evidence = await watching.look(view, now.exchange.step);
    await now.checking?.advance(view, true);
    if (evidence === undefined || evidence.size === 0) return;
    await handing.help(now, view, evidence);
    await insistOnSums(now, view);
  };
  /** After a long wait: asks whoever has what is missing, and notices when the others are far ahead. */
  const insistOnSums = async (now: CurrentStep, view: View): Promise<void> => {
    const { exchange, idleSinceMs } = now;
    const nowMs = clock.monotonicMs();
    if (nowMs - (idleSinceMs ?? nowMs) < patienceMs || nowMs - now.wantedMs < patienceMs) return;
    now.wantedMs = nowMs;
    const head = (await membership.head(view.life)) ?? 0;
    // The sums of two steps stay, those of more only for followers: beyond that nobody can help.
    const isLeftBehind = head > exchange.step && nowMs - (idleSinceMs ?? nowMs) > 3 * patienceMs;
    if (head > exchange.step + 1 || isLeftBehind) {
      // With this seat it would begin again where it got it, and nobody has the sums of those steps any more.
      await giveBack(context, view, `${worker} fell too far behind`);
      throw evicted(view);
    }
    await Promise.all(
      exchange.missing().map((bucket) => membership.announce(wantMessage(exchange.step, bucket))),
    );
  };
  /**
   * Sums stay on the server while somebody follows to catch up, else those of the last two steps. Nobody waits for
   * this: what cannot be removed now is removed later, and expires by itself.
   */
  const dropOld = (step: number): void => {
    const { view } = context;
    const keep = view !== undefined && isFollowed(view, step) ? followedSteps : 2;
    peers?.release(step - keep);
    for (const [past, names] of written) {
      if (past > step - keep) continue;
      written.delete(past);
      if (names.length === 0) continue;
      link.command(['UNLINK', ...names]).catch(() => {
        written.set(past, names);
      });
    }
  };
  /** Whoever is in neither this view nor the last one is gone. */
  const keepNeighbours = (view: View): void => {
    if (view.id === seen.id) return;
    const workers = new Set(view.members.map((member) => member.worker));
    neighbours.keepOnly(workers, seen.workers);
    seen = { id: view.id, workers };
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
    leaf({ step, attempt, shard, buffer, seconds, finite, isCheck }) {
      if (current?.exchange.step !== step) return;
      const { asked, exchange, poisoned, checking } = current;
      const values = new Float32Array(buffer);
      if (isCheck) current.isChecking = false;
      else asked.delete(shard);
      if (seconds !== null) context.leafTimes.add(seconds);
      const isBusy = asked.size > 0 || current.isChecking;
      context.progress.startedMs = isBusy ? clock.monotonicMs() : undefined;
      const { view } = context;
      if (!isCheck && view !== undefined && isOutdatedLeaf(view, { shard, step, attempt }, worker)) {
        context.wake(); // and asked for again, if it is still this member's
        return;
      }
      const skipped = view !== undefined && isSkipped(view, shard, step);
      // Said before it is sent: whoever gets the leaf can hear what its sender said of it.
      const isCompared = finite && !skipped && shard === checking?.shard;
      const isSteady = !isCompared || checking.found(values);
      if (!finite) poisoned.add(shard);
      else if (!isCheck && isSteady) exchange.leaf(shard, values);
      context.wake();
    },
    async commit(step, attempt) {
      const life = current?.exchange.position().life ?? 0;
      const committed = await context.insist(() => membership.commit(life, step, attempt));
      if (committed) context.committed = step;
      else context.viewIsOld = true;
      return committed;
    },
    discard: (step, attempt, shard, loss) => retrying.discard(step, attempt, shard, loss),
    skip: (step, shard) => retrying.skip(step, shard),
    async watch() {
      if (isReducing || !context.seated) return;
      context.viewIsOld = true;
      const view = await currentView(context);
      await watching.look(view, context.progress.step);
      // A step that has begun meanwhile tells of its view itself.
      send({ kind: 'seen', view: context.view ?? view });
    },
    async reset() {
      await current?.exchange.close();
      await previous?.close();
      [current, previous] = [undefined, undefined];
      early = [];
      watching.reset();
      neighbours.doubt();
      peers?.clear();
    },
  };
}
