import { rangesFor, type Range } from './ranges.js';

/** A member of the agreed membership. */
export interface Member {
  worker: string;
  /** The leaves that it computes; none while it still follows the others to catch up. */
  range: Range;
  /** The same from the view's `nextFrom` on. */
  next: Range;
  /** Leaves that it computes in the time in which a member of weight 1 computes one. */
  weight: number;
  /** The first step that it does: it comes with the state of the step before. */
  fromStep: number;
  /** Where that state is: the checkpoint in the store, or the copy that a member left on the server. */
  source: 'checkpoint' | 'peer';
}

/** A step that is done again: who may not compute which leaf of it any more, and which leaves are left out. */
export interface Retry {
  step: number;
  attempt: number;
  barred: readonly Barred[];
  /** Shards whose samples are bad: whoever computes them gives a vector that counts for nothing. */
  skip: readonly number[];
}

export interface Barred {
  shard: number;
  worker: string;
  why: 'not finite' | 'loss spike' | 'differs';
  /** The attempt that was given up for it. */
  attempt: number;
  /** The shard's loss, where that was the reason. */
  loss: number | null;
}

/** Who takes part, agreed by compare-and-set on (life, number, id). */
export interface View {
  /** Raised when a run starts again from a checkpoint. */
  life: number;
  number: number;
  id: string;
  members: readonly Member[];
  /** From this step on the next ranges hold: in the step at which they are dealt the others compute already. */
  nextFrom: number | null;
  /** Of the last step that was done again. */
  retry: Retry | null;
  /** Of steps before it, latest first: for members who are not through with them yet. */
  earlier?: readonly Retry[];
}

export const memberOf = (view: View, worker: string): Member | undefined =>
  view.members.find((member) => member.worker === worker);

export const rangeOf = (view: View, member: Member, step: number): Range =>
  view.nextFrom !== null && step >= view.nextFrom ? member.next : member.range;

const isEmpty = ({ lo, hi }: Range): boolean => lo >= hi;

/** Does a member compute in a step, or only follow? */
export const isActive = (view: View, member: Member, step: number): boolean =>
  !isEmpty(rangeOf(view, member, step));

export const activeMembers = (view: View, step: number): readonly Member[] =>
  view.members.filter((member) => isActive(view, member, step));

/** What is known of a step that was done again; undefined: it was not. */
export const retryIn = ({ retry, earlier = [] }: View, step: number): Retry | undefined =>
  retry?.step === step ? retry : earlier.find((past) => past.step === step);

export const attemptOf = (view: View, step: number): number => retryIn(view, step)?.attempt ?? 0;

/** The leaves that a member computes in a step, in order: its range, but for those it is barred from. */
export function shardsOf(view: View, worker: string, step: number, leaves: number): number[] {
  const shards: number[] = [];
  for (let shard = 0; shard < leaves; shard++) {
    if (computerOf(view, shard, step) === worker) shards.push(shard);
  }
  return shards;
}

/** Who computes a leaf: its member, or, where that one is barred, the next that is not; all barred: its member. */
export function computerOf(view: View, shard: number, step: number): string | undefined {
  const active = activeMembers(view, step);
  const home = active.findIndex((member) => {
    const { lo, hi } = rangeOf(view, member, step);
    return shard >= lo && shard < hi;
  });
  if (home < 0) return undefined;
  for (let i = 0; i < active.length; i++) {
    const { worker } = active[(home + i) % active.length] as Member;
    if (!isBarred(view, shard, step, worker)) return worker;
  }
  return active[home]?.worker;
}

export const isBarred = (view: View, shard: number, step: number, worker: string): boolean =>
  retryIn(view, step)?.barred.some((item) => item.shard === shard && item.worker === worker) === true;

/** Who finishes a bucket's sum in a step. */
export function ownerOf(view: View, bucket: number, step: number): string | undefined {
  const active = activeMembers(view, step);
  return active[bucket % active.length]?.worker;
}

/** Place among the members; the first one writes logs and checkpoints. -1 for no member. */
export const rankOf = (view: View, worker: string): number =>
  view.members.findIndex((member) => member.worker === worker);

const none: Range = { lo: 0, hi: 0 };

/** One range for each member, by weight; those who do not compute have none. */
function deal(members: readonly Member[], leaves: number, isDealt: (member: Member) => boolean): Range[] {
  const dealt = members.filter(isDealt).slice(0, leaves);
  const ranges = rangesFor(
    dealt.map((member) => member.weight),
    leaves,
  );
  return members.map((member) => ranges[dealt.indexOf(member)] ?? none);
}

/**
 * The next view of the same life without some members; the others take over their leaves at once. Where only
 * followers are left, they compute from now on.
 */
export function without(view: View, gone: readonly string[], id: string, leaves: number): View {
  const members = view.members.filter((member) => !gone.includes(member.worker));
  const dealtAnew = (of: (member: Member) => Range) => {
    const someActive = members.some((member) => !isEmpty(of(member)));
    return deal(members, leaves, (member) => !someActive || !isEmpty(of(member)));
  };
  const [ranges, next] = [dealtAnew((member) => member.range), dealtAnew((member) => member.next)];
  return {
    ...view,
    number: view.number + 1,
    id,
    members: members.map((member, i) => ({ ...member, range: ranges[i] ?? none, next: next[i] ?? none })),
  };
}

/** The next view of the same life with newcomers who follow from a step on. */
export function withNewcomers(
  view: View,
  newcomers: readonly string[],
  fromStep: number,
  most: number,
  id: string,
): View {
  const fresh = newcomers
    .filter((worker) => memberOf(view, worker) === undefined)
    .slice(0, Math.max(0, most - view.members.length))
    .map((worker): Member => ({ worker, range: none, next: none, weight: 1, fromStep, source: 'peer' }));
  return { ...view, number: view.number + 1, id, members: [...view.members, ...fresh] };
}

/**
 * The next view, in which the leaves are dealt anew after a step: with these members too, and with new weights
 * where they are given.
 */
export function rebalanced(
  view: View,
  starting: readonly string[],
  weights: ReadonlyMap<string, number>,
  step: number,
  id: string,
  leaves: number,
): View {
  const members = view.members.map((member) => ({
    ...member,
    range: rangeOf(view, member, step),
    weight: weights.get(member.worker) ?? member.weight,
  }));
  const next = deal(members, leaves, (member) => !isEmpty(member.range) || starting.includes(member.worker));
  return {
    ...view,
    number: view.number + 1,
    id,
    nextFrom: step + 1,
    members: members.map((member, i) => ({ ...member, next: next[i] ?? none })),
  };
}

export const isSkipped = (view: View, shard: number, step: number): boolean =>
  retryIn(view, step)?.skip.includes(shard) === true;

/**
 * Whether a leaf that was asked for in this attempt is not to be used: since then its shard is left out, or to be computed
 * by somebody else.
 */
export const isOutdatedLeaf = (
  view: View,
  { shard, step, attempt }: { shard: number; step: number; attempt: number },
  worker: string,
): boolean =>
  attemptOf(view, step) !== attempt && (isSkipped(view, shard, step) || isBarred(view, shard, step, worker));

/** The next view, in which a step is done again with somebody barred from a shard. */
export function withBarred(view: View, step: number, barred: Omit<Barred, 'attempt'>, id: string): View {
  const { attempt, barred: before, skip } = retryOf(view, step);
  return withRetry(
    view,
    { step, attempt: attempt + 1, barred: [...before, { ...barred, attempt }], skip },
    id,
  );
}

/**
 * The next view, in which a step is done again without anything that somebody computed of it: a check found one
 * shard wrong, so none is believed.
 */
export function withoutWorkOf(
  view: View,
  step: number,
  worker: string,
  shards: readonly number[],
  id: string,
): View {
  const { attempt, barred: before, skip } = retryOf(view, step);
  const barred = shards.map((shard) => ({ shard, worker, why: 'differs', attempt, loss: null }) as const);
  return withRetry(view, { step, attempt: attempt + 1, barred: [...before, ...barred], skip }, id);
}

/** The next view, in which a step is done again without a shard's samples. */
export function withSkipped(view: View, step: number, shard: number, id: string): View {
  const { attempt, barred, skip } = retryOf(view, step);
  return withRetry(view, { step, attempt: attempt + 1, barred, skip: [...skip, shard] }, id);
}

const retryOf = (view: View, step: number): Retry =>
  retryIn(view, step) ?? { step, attempt: 0, barred: [], skip: [] };

/** Members who still catch up may be so many steps behind: what they need of these steps stays. */
export const followedSteps = 16;

/** A member that lost every message meanwhile learns of all retries at once: none may replace that of another step. */
function withRetry(view: View, retry: Retry, id: string): View {
  const { retry: last, earlier = [] } = view;
  const past = last === null || last.step === retry.step ? earlier : [last, ...earlier];
  const kept = past.filter(({ step }) => step > retry.step - followedSteps);
  return { ...view, number: view.number + 1, id, retry, earlier: kept };
}

/** The first view of a life that starts after a checkpoint's step. */
export function firstView(
  before: View | undefined,
  life: number,
  workers: readonly string[],
  step: number,
  id: string,
  leaves: number,
): View {
  const members = workers.map((worker): Member => ({
    ...{ worker, range: none, next: none, weight: 1 },
    fromStep: step + 1,
    source: 'checkpoint',
  }));
  const ranges = deal(members, leaves, () => true);
  return {
    life,
    number: (before?.number ?? 0) + 1,
    id,
    members: members.map((member, i) => ({ ...member, range: ranges[i] ?? none, next: ranges[i] ?? none })),
    nextFrom: null,
    retry: null,
  };
}

/** undefined for none, and for what is no view. */
export function parseView(text: string | null): View | undefined {
  if (text === null || text === '') return undefined;
  try {
    const found = JSON.parse(text) as Partial<View> | null;
    return Array.isArray(found?.members) && typeof found.life === 'number' ? (found as View) : undefined;
  } catch {
    return undefined;
  }
}

/** Shards that came out not finite twice, on two members or twice on the only one, and are not left out yet. */
export function badShards(view: View, step: number): number[] {
  const retry = retryIn(view, step);
  if (retry === undefined) return [];
  const found = retry.barred.filter((item) => item.why === 'not finite').map((item) => item.shard);
  const twice = found.filter((shard, i) => found.indexOf(shard) !== i);
  return [...new Set(twice)].filter((shard) => !retry.skip.includes(shard));
}
