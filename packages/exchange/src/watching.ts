import { keys } from '@lvnet/redis';
import { tensorSeconds, type Context } from './context.js';
import { currentView } from './current-view.js';
import { decide, type Decision, type Situation } from './decide.js';
import { nextSuspects, type Evidence, type Suspects } from './evidence.js';
import { isActive, rankOf, type View } from './view.js';

const admitEveryMs = 400;
const dealEveryMs = 10_000;

/** A member's eyes on the others: the dead are buried, newcomers let in, shards dealt anew. */
export interface Watching {
  /** What the server shows of the other members; undefined where that changed the view. */
  look(view: View, step: number): Promise<ReadonlyMap<string, Evidence> | undefined>;
  /** Before a step the first member lets others in, with its state, and deals the leaves anew. */
  admit(step: number): Promise<void>;
  /** Forgets the suspects of a former seat. */
  reset(): void;
}

type Around = Pick<Situation, 'evidence' | 'standbys' | 'betweenSteps'>;

export function createWatching(context: Context): Watching {
  const { options, clock, link, membership } = context;
  const { run, worker, shards } = options;
  const most = Math.min(options.wantedMembers, shards);
  let suspects: Suspects = new Map();
  let admitMs = Number.NEGATIVE_INFINITY;
  let dealAgainMs = Number.NEGATIVE_INFINITY;

  const judge = (view: View, step: number, around: Around): Decision | undefined => {
    const { trustUntilMs } = context;
    const situation = { view, me: worker, step, leaves: shards, most, suspects, trustUntilMs, dealAgainMs };
    return decide(clock.monotonicMs(), { ...situation, ...around }, context.newId());
  };
  const carryOut = async (before: View, { view, reason, workers, why }: Decision): Promise<void> => {
    dealAgainMs = clock.monotonicMs() + dealEveryMs;
    await context.change(before, view, reason, workers, why);
  };
  const evidenceOf = async (workers: readonly string[]): Promise<ReadonlyMap<string, Evidence>> =>
    workers.length === 0 ? new Map<string, Evidence>() : membership.evidence(workers);
  const leaveState = async (step: number): Promise<boolean> => {
    const reply = await context.ask({ kind: 'needSnapshot' });
    if (reply.kind !== 'snapshot' || reply.step !== step) return false;
    await link.command(['SET', keys.state(run, step), reply.bytes, 'EX', tensorSeconds]);
    return true;
  };

  return {
    async look(view, step) {
      const others = view.members.map((member) => member.worker).filter((name) => name !== worker);
      const evidence = await evidenceOf(others);
      suspects = nextSuspects(suspects, evidence, clock.monotonicMs());
      const decision = judge(view, step, { evidence, standbys: [], betweenSteps: false });
      if (decision === undefined) return evidence;
      await carryOut(view, decision);
      return undefined;
    },
    async admit(step) {
      const view = await currentView(context);
      const nowMs = clock.monotonicMs();
      const isFollowed = view.members.some((member) => !isActive(view, member, step));
      if (rankOf(view, worker) !== 0 || (!isFollowed && nowMs - admitMs < admitEveryMs)) return;
      admitMs = nowMs;
      const standbys = view.members.length < most ? await membership.standbys() : [];
      const workers = view.members.map((member) => member.worker);
      const evidence = await evidenceOf(workers.length > 1 ? workers : []);
      const decision = judge(view, step, { evidence, standbys, betweenSteps: true });
      if (decision === undefined) return;
      if (decision.reason === 'join' && !(await leaveState(step - 1))) return;
      await carryOut(view, decision);
    },
    reset() {
      suspects = new Map();
    },
  };
}
