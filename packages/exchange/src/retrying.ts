import type { Context } from './context.js';
import { currentView } from './current-view.js';
import {
  attemptOf,
  computerOf,
  isBarred,
  isSkipped,
  shardsOf,
  withBarred,
  withoutWorkOf,
  withSkipped,
  type View,
} from './view.js';

/** How a step is done again: an attempt that all members agree on, unless the step is committed. */
export interface Retrying {
  /**
   * Says that a shard came out not finite here, so that somebody else computes it in the next attempt. True once
   * that is agreed, or the step committed, as somebody else computed it well.
   */
  confess(view: View, step: number, shard: number): Promise<boolean>;
  /** The sum of an attempt shows that a shard is wrong: the step is done again, with it at another member. */
  discard(step: number, attempt: number, shard: number, loss: number): Promise<undefined>;
  /** A check found that somebody computed the shard wrongly: the step is done again without that one's work. */
  accuse(step: number, shard: number, guilty: string, how: string): Promise<undefined>;
  /** The step is done again without a shard's samples. */
  skip(step: number, shard: number): Promise<undefined>;
}

interface Proposal {
  next: View;
  blamed: string;
  why: string;
}

export function createRetrying(context: Context): Retrying {
  const { membership, options } = context;
  const { worker } = options;

  const again = async (view: View, step: number, { next, blamed, why }: Proposal) => {
    const outcome = await membership.retry(view, next, step);
    if (outcome === 'done') await context.adopt(next, 'retry', [blamed], why);
    else context.viewIsOld = true;
    return outcome;
  };
  /** Proposes a new attempt until it, or one like it, is the view's, or the step is committed. */
  const propose = (
    step: number,
    isThere: (view: View) => boolean,
    proposal: (view: View) => Proposal,
  ): Promise<undefined> =>
    context.insist(async () => {
      for (;;) {
        const view = await currentView(context);
        if (isThere(view)) return undefined;
        if ((await again(view, step, proposal(view))) !== 'outdated') return undefined;
      }
    });

  return {
    async confess(view, step, shard) {
      const barred = { shard, worker, why: 'not finite', loss: null } as const;
      const why = `step ${String(step)}: shard ${String(shard)} is not finite on ${worker}`;
      const next = withBarred(view, step, barred, context.newId());
      return (await again(view, step, { next, blamed: worker, why })) !== 'outdated';
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
    accuse: (step, shard, guilty, how) =>
      propose(
        step,
        (view) => isBarred(view, shard, step, guilty),
        (view) => {
          const shards = new Set([...shardsOf(view, guilty, step, options.shards), shard]);
          const why = `step ${String(step)}: a check of shard ${String(shard)} found that ${guilty} ${how}`;
          return {
            next: withoutWorkOf(view, step, guilty, [...shards], context.newId()),
            blamed: guilty,
            why,
          };
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
  };
}
