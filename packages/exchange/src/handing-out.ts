import { takenMessage, type Context } from './context.js';
import type { CurrentStep } from './current-step.js';
import type { Evidence } from './evidence.js';
import { speculate } from './speculate.js';
import { attemptOf, isSkipped, shardsOf, type View } from './view.js';

/** How many leaves the main thread has at a time: the next one waits for it, so that it never waits. */
const handedOut = 2;

/** Which leaves a member computes, and when. */
export interface HandingOut {
  /** Leaves that this member delivers: its own, but for those that somebody else took over. */
  ownShards(now: CurrentStep, view: View): ReadonlySet<number>;
  /** Asks the main thread for what is next, if anything is. */
  handOut(now: CurrentStep, view: View): void;
  /** Computes a leaf in place of somebody slow. */
  help(now: CurrentStep, view: View, evidence: ReadonlyMap<string, Evidence>): Promise<void>;
}

export function createHandingOut(context: Context): HandingOut {
  const { options, clock, membership, send } = context;
  const { worker, shards } = options;

  let dealt: { view: View; step: number; own: ReadonlySet<number> } | undefined;
  const dealtIn = (view: View, step: number): ReadonlySet<number> => {
    if (dealt?.view !== view || dealt.step !== step)
      dealt = { view, step, own: new Set(shardsOf(view, worker, step, shards)) };
    return dealt.own;
  };

  const ownShards = (now: CurrentStep, view: View): ReadonlySet<number> => {
    const own = dealtIn(view, now.exchange.step);
    if (now.taken.size === 0) return own;
    const nowMs = clock.monotonicMs();
    const isTaken = (shard: number) => !now.exchange.hasLeaf(shard) && (now.taken.get(shard) ?? 0) > nowMs;
    return new Set([...own].filter((shard) => !isTaken(shard)));
  };
  const handOut = (now: CurrentStep, view: View): void => {
    const { exchange, asked } = now;
    const own = [...ownShards(now, view)];
    for (const shard of own) {
      if (asked.size >= handedOut) break;
      if (!exchange.hasLeaf(shard) && !asked.has(shard)) ask(now, shard);
    }
    if (needsCheck(now, own) && asked.size < handedOut) askForCheck(now);
    context.progress.done = own.filter((shard) => exchange.hasLeaf(shard)).length;
    const isIdle = asked.size === 0 && !now.isChecking && context.progress.done === own.length;
    now.idleSinceMs = isIdle ? (now.idleSinceMs ?? clock.monotonicMs()) : undefined;
  };
  const attemptNow = (step: number): number =>
    context.view === undefined ? 0 : attemptOf(context.view, step);
  const ask = ({ asked, exchange, isChecking }: CurrentStep, shard: number): void => {
    if (asked.size === 0 && !isChecking) context.progress.startedMs = clock.monotonicMs();
    asked.add(shard);
    const { step } = exchange;
    const skipped = context.view !== undefined && isSkipped(context.view, shard, step);
    send({ kind: 'compute', step, attempt: attemptNow(step), shard, skipped, isCheck: false });
  };
  /** What a member computes for the sum anyway needs no computing for the check, the first time. */
  const needsCheck = (
    { checking, isChecking, exchange, asked }: CurrentStep,
    own: readonly number[],
  ): boolean =>
    checking?.isAsked() === true &&
    !isChecking &&
    !asked.has(checking.shard) &&
    (exchange.hasLeaf(checking.shard) || !own.includes(checking.shard));
  const askForCheck = (now: CurrentStep): void => {
    const { exchange, asked, checking } = now;
    if (checking === undefined) return;
    if (asked.size === 0) context.progress.startedMs = clock.monotonicMs();
    now.isChecking = true;
    const { step } = exchange;
    const { shard } = checking;
    send({ kind: 'compute', step, attempt: attemptNow(step), shard, skipped: false, isCheck: true });
  };
  const help = async (
    now: CurrentStep,
    view: View,
    evidence: ReadonlyMap<string, Evidence>,
  ): Promise<void> => {
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

  return { ownShards, handOut, help };
}
