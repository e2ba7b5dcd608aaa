import { createHash } from 'node:crypto';
import { Failure } from '@lvnet/core';
import { isToBeSaid, judgeCheck, parseStatements, type Statement } from './check.js';
import { checkedMessage, type Context } from './context.js';
import type { Membership } from './membership.js';
import type { Retrying } from './retrying.js';
import type { View } from './view.js';

/** One step's check: what this member says of the shard, and what the others say. */
export interface Checking {
  readonly shard: number;
  /**
   * This member computed the shard, for the sum or for the check alone.
   *
   * @returns false where that contradicts what it found before: not to be used
   */
  found(values: Float32Array): boolean;
  /** Somebody said something. */
  news(): void;
  /** The server may have lost what was said. */
  sayAgain(): void;
  /**
   * Reads what was said, if there may be news, and acts upon it.
   *
   * @throws Failure('DIGEST_MISMATCH') where nobody can tell who is wrong
   */
  advance(view: View, lookAround: boolean): Promise<void>;
  /** The step may be committed, or is. */
  isPassed(): boolean;
  /** This member has to compute the shard for the check. */
  isAsked(): boolean;
}

/** What a check needs of the exchange. */
interface CheckingParts {
  membership: Pick<Membership, 'sayChecked' | 'checked' | 'announce' | 'head'>;
  options: Pick<Context['options'], 'worker' | 'checkEverySteps'>;
}

export function createChecking(
  context: CheckingParts,
  retrying: Pick<Retrying, 'accuse'>,
  step: number,
  shard: number,
): Checking {
  const { membership, options } = context;
  const { worker, checkEverySteps: everySteps } = options;
  /** By the time that this member was asked. */
  const own: string[] = [];
  let unsaid = new Set<number>();
  /** What the server confirmed. */
  const said = new Set<number>();
  let statements: readonly Statement[] = [];
  let seenId: string | undefined;
  let isStale = true;
  let isPassed = false;
  let isAsked = false;
  let life = 0;

  const say = async (): Promise<void> => {
    for (const time of [...unsaid]) {
      unsaid.delete(time);
      try {
        const line = `${worker} ${String(time)}`;
        statements = parseStatements(await membership.sayChecked(life, step, line, own[time] ?? ''));
        said.add(time);
        await membership.announce(checkedMessage(step));
        isStale = true;
      } catch {
        unsaid.add(time); // a lost connection: said again after the next one
      }
    }
  };
  const isCommitted = async () => ((await membership.head(life)) ?? -1) >= step;
  const judge = async (view: View): Promise<void> => {
    const verdict = judgeCheck({ view, step, shard, everySteps, statements });
    isPassed = verdict.kind === 'passed';
    // A second statement is asked of who has made its first one: not while that is still on its way.
    const isHeard = own.every((_, time) => said.has(time));
    isAsked = isHeard && verdict.kind === 'asked' && verdict.workers.includes(worker);
    if (verdict.kind !== 'guilty' && verdict.kind !== 'undecided') return;
    if (await isCommitted()) isPassed = true;
    else if (verdict.kind === 'undecided') throw undecided(step, shard, verdict.workers);
    else for (const guilty of verdict.workers) await retrying.accuse(step, shard, guilty, verdict.why);
  };
  return {
    shard,
    found(values) {
      const sha256 = createHash('sha256')
        .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
        .digest('hex');
      const isSame = own.length === 0 || own[0] === sha256;
      if (!isToBeSaid(own, sha256)) return isSame;
      unsaid.add(own.push(sha256) - 1);
      isAsked = false;
      isStale = true;
      void say();
      return isSame;
    },
    news() {
      isStale = true;
    },
    sayAgain() {
      unsaid = new Set(own.keys());
      said.clear();
      void say();
    },
    async advance(view, lookAround) {
      life = view.life;
      if (isPassed && view.id === seenId) return;
      if (view.id === seenId && !isStale && !lookAround) return;
      seenId = view.id;
      isStale = false;
      await say();
      statements = parseStatements((await membership.checked(life, step)) ?? '');
      await judge(view);
      if (!isPassed && lookAround && (await isCommitted())) isPassed = true;
    },
    isPassed: () => isPassed,
    isAsked: () => isAsked,
  };
}

function undecided(step: number, shard: number, workers: readonly string[]): Failure {
  return new Failure(
    'DIGEST_MISMATCH',
    { step, shard, workers },
    {
      message: `Step ${String(step)}: ${workers.join(' and ')} compute shard ${String(shard)} differently, and nobody is there to tell who is wrong.`,
      hint: 'Test memory and processor of these machines; with a third worker it is found out which one it is.',
    },
  );
}
