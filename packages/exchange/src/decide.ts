import { isGone, type Evidence, type Suspects } from './evidence.js';
import {
  activeMembers,
  isActive,
  rangeOf,
  rankOf,
  rebalanced,
  without,
  withNewcomers,
  type View,
} from './view.js';

/** What one member knows when it thinks about the membership. */
export interface Situation {
  view: View;
  /** This member and the step that it does or is about to do. */
  me: string;
  step: number;
  leaves: number;
  /** Members that the run may have. */
  most: number;
  /** By worker; those without evidence are not judged. */
  evidence: ReadonlyMap<string, Evidence>;
  /** From the looks before this one. */
  suspects: Suspects;
  /** Live workers that stand by, in order of name. */
  standbys: readonly string[];
  /** Before this nobody is accused: this member slept, or the server is new. */
  trustUntilMs: number;
  /** Between two steps the first member lets others in and deals anew; while waiting it only buries the dead. */
  betweenSteps: boolean;
  /** When the ranges may next be dealt anew for speed alone. */
  dealAgainMs: number;
}

export type ChangeReason = 'founded' | 'join' | 'leave' | 'lost' | 'hung' | 'balance' | 'retry';

export interface Decision {
  view: View;
  reason: ChangeReason;
  workers: readonly string[];
  /** For people. */
  why: string;
}

/** A deal is changed for speed only where a step gets shorter by this share. */
const worthwhile = 0.9;

/**
 * The next view, or undefined where this one is fine. Pure: whoever knows the same decides the same. The dead
 * go first, newcomers come last.
 *
 * @param id random, for the new view
 */
export function decide(now: number, s: Situation, id: string): Decision | undefined {
  return (
    (now < s.trustUntilMs ? undefined : bury(now, s, id)) ??
    (s.betweenSteps ? welcome(now, s, id) : undefined)
  );
}

function bury(now: number, s: Situation, id: string): Decision | undefined {
  const { view, me, evidence, suspects, leaves } = s;
  const others = view.members.filter((member) => member.worker !== me);
  const dead = others.flatMap(({ worker }) => {
    const why = causeOfDeath(evidence.get(worker), suspects.get(worker), now);
    return why === undefined ? [] : [{ worker, why }];
  });
  if (dead.length > 0) {
    const workers = dead.map(({ worker }) => worker);
    const why = dead.map((item) => `${item.worker}: ${item.why}`).join('; ');
    return { view: without(view, workers, id, leaves), reason: 'lost', workers, why };
  }
  const hung = others.filter(({ worker }) => evidence.get(worker)?.progress.hangs === true);
  if (hung.length === 0) return undefined;
  const workers = hung.map(({ worker }) => worker);
  const why = `${workers.join(', ')} computes at one shard for longer than ever before`;
  return { view: without(view, workers, id, leaves), reason: 'hung', workers, why };
}

function causeOfDeath(
  evidence: Evidence | undefined,
  suspect: ReturnType<Suspects['get']>,
  now: number,
): string | undefined {
  if (evidence === undefined) return undefined;
  if (evidence.connection === undefined) return 'its lease ran out';
  return isGone(evidence, suspect, now) ? 'its connection ended' : undefined;
}

/** Only the first member does this, so that two do not deal against each other. */
function welcome(now: number, s: Situation, id: string): Decision | undefined {
  if (rankOf(s.view, s.me) !== 0) return undefined;
  return deal(now, s, id) ?? invite(s, id);
}

/** Gives leaves to followers who have caught up, and to the fast more than to the slow. */
function deal(now: number, s: Situation, id: string): Decision | undefined {
  const { view, evidence, step, leaves } = s;
  if (view.nextFrom !== null && view.nextFrom > step) return undefined; // the last deal does not hold yet
  const room = leaves - activeMembers(view, step).length;
  const starting = view.members
    .filter((member) => !isActive(view, member, step))
    .filter(({ worker }) => {
      const progress = evidence.get(worker)?.progress;
      return progress?.ready === true && progress.step >= step - 1;
    })
    .map((member) => member.worker)
    .slice(0, room);
  const weights = measuredWeights(s);
  const next = rebalanced(view, starting, weights, step, id, leaves);
  if (starting.length > 0) {
    return { view: next, reason: 'balance', workers: starting, why: `${starting.join(', ')} takes part` };
  }
  const [seconds, nextSeconds] = [stepSeconds(view, step, evidence), stepSeconds(next, step + 1, evidence)];
  if (now < s.dealAgainMs || !Number.isFinite(seconds) || nextSeconds > worthwhile * seconds)
    return undefined;
  const workers = activeMembers(view, step).map((member) => member.worker);
  return { view: next, reason: 'balance', workers, why: 'shards dealt anew by measured speed' };
}

function invite({ view, standbys, step, most }: Situation, id: string): Decision | undefined {
  const next = withNewcomers(view, standbys, step, most, id);
  const workers = next.members.slice(view.members.length).map((member) => member.worker);
  if (workers.length === 0) return undefined;
  return { view: next, reason: 'join', workers, why: `${workers.join(', ')} joined` };
}

/** Speed relative to the fastest; where somebody has not computed yet, all keep their weights. */
function measuredWeights({ view, step, evidence }: Situation): ReadonlyMap<string, number> {
  const seconds = activeMembers(view, step).map(
    ({ worker }) => [worker, evidence.get(worker)?.progress.secondsPerLeaf ?? 0] as const,
  );
  if (seconds.some(([, value]) => value <= 0)) return new Map();
  const fastest = Math.min(...seconds.map(([, value]) => value));
  return new Map(seconds.map(([worker, value]) => [worker, fastest / value]));
}

/** When the last member is through with its leaves; infinite where a speed is not known. */
function stepSeconds(view: View, step: number, evidence: ReadonlyMap<string, Evidence>): number {
  return Math.max(
    ...activeMembers(view, step).map((member) => {
      const { lo, hi } = rangeOf(view, member, step);
      const seconds = evidence.get(member.worker)?.progress.secondsPerLeaf ?? 0;
      return seconds > 0 ? seconds * (hi - lo) : Number.POSITIVE_INFINITY;
    }),
  );
}
