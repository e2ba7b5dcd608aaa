import { asFailure, Failure, type Clock } from '@lvnet/core';
import type { Exchange, Seat } from '@lvnet/exchange';
import type { CheckpointKeeper, Keepable } from './checkpoint-keeper.js';

/** What one member trains: states, and the step from one to the next. */
export interface Course<S extends Keepable, R extends string> {
  /** The state that a seat starts from. */
  begin(seat: Seat): Promise<S>;
  /** One step; tells of it. The given state is used up. */
  step(state: S): Promise<S>;
  /** A copy that stays as it is. */
  copy(state: S): S;
  /** After this step a checkpoint is due. */
  isDue(step: number): boolean;
  /** Nobody is left, as all were asked to go: nothing was lost. */
  adjourn(): Promise<void>;
  /** Why training ends with this state, if it does; `meanwhile` is called while that is waited for. */
  endOf(state: S, meanwhile: () => void): Promise<R | undefined>;
  /** The final checkpoint is complete; must be idempotent. */
  finish(state: S, reason: R): Promise<void>;
  /** Members hold different weights: finds out whether those of this one are wrong. */
  convict(state: S, mismatch: Failure): Promise<{ isGuilty: boolean; failure: Failure }>;
  /** This member lost its seat, or stays away for a while, and why. */
  note(text: string): void;
}

export interface MemberParts<S extends Keepable, R extends string> {
  course: Course<S, R>;
  exchange: Pick<Exchange, 'join' | 'leave' | 'rank' | 'view'>;
  keeper: CheckpointKeeper<S>;
  /** Snapshots that may wait in memory for their way into the store: beyond it training waits. */
  mostPending: number;
  clock: Clock;
  /** Aborts when this member is to go. */
  signal: AbortSignal;
  /** The state that a newcomer may be given: that of the last step. */
  onState: (state: S | undefined) => void;
}

const pollMs = 50;
/** Training that waits for the store for so long says so. */
const tellAfterMs = 2_000;
/** A member that computed something wrong stays away for so long. */
const coolDownMs = 600_000;
/** Who is right again and again, and still meets other weights, shares its keys with a stranger. */
const mostDisputes = 3;

/**
 * Trains as one member: take a seat, take over the state, then step after step. A member that lost its seat
 * takes a new one. Returns when the training is finished or this member was told to go.
 */
export async function trainAsMember<S extends Keepable, R extends string>(
  parts: MemberParts<S, R>,
): Promise<'finished' | 'stopped'> {
  const { course, exchange, keeper, clock, signal } = parts;
  let current: S | undefined;
  let disputes = 0;
  const hold = (state: S | undefined) => {
    current = state;
    parts.onState(state);
  };
  /** The first member; for steps before it came, whose states it never had, whoever has a snapshot. */
  const isWriter = (step: number): boolean => {
    const first = exchange.view()?.members[0];
    return exchange.rank() === 0 || (first !== undefined && first.fromStep > step);
  };
  const settle = async (
    mayWrite: (step: number) => boolean,
    until: AbortSignal | undefined,
  ): Promise<void> => {
    for (;;) {
      await keeper.idle();
      if (keeper.pending().length === 0) return;
      keeper.tick(mayWrite, true);
      await clock.sleep(pollMs, until);
    }
  };
  /** Epochs that end faster than their checkpoints are written must not fill the memory. */
  const makeRoom = async (): Promise<void> => {
    const sinceMs = clock.monotonicMs();
    let isTold = false;
    while (keeper.pending().length > parts.mostPending) {
      keeper.tick(isWriter, true);
      if (!isTold && clock.monotonicMs() - sinceMs > tellAfterMs) {
        course.note(`waits for the store: ${String(keeper.pending().length)} checkpoints are not in it yet`);
        isTold = true;
      }
      await clock.sleep(pollMs, signal);
    }
  };
  const finish = async (state: S, reason: R): Promise<void> => {
    keeper.due(course.copy(state));
    await settle(isWriter, signal);
    await course.finish(state, reason);
    await exchange.leave({ finished: true });
  };
  const untilEnd = async (): Promise<void> => {
    hold(undefined);
    const seat = await exchange.join(signal);
    hold(await course.begin(seat));
    keeper.rewind(seat.step);
    for (;;) {
      const state = current as S;
      const reason = await course.endOf(state, () => {
        keeper.tick(isWriter, true);
      });
      if (reason !== undefined) {
        await finish(state, reason);
        return;
      }
      if (signal.aborted) throw new Failure('CANCELLED', {}, { message: 'This member was told to go.' });
      const next = await course.step(state);
      hold(next);
      if (course.isDue(next.step)) keeper.due(course.copy(next));
      keeper.tick(isWriter);
      await makeRoom();
    }
  };
  /** The last one to go leaves a checkpoint of where the run stands; the others' state lives on with it. */
  const goAway = async (): Promise<void> => {
    if (current !== undefined && current.step > 0 && exchange.rank() <= 0) {
      keeper.due(course.copy(current));
      await settle(() => true, undefined);
    }
    if (await exchange.leave()) await course.adjourn();
  };
  /** What is to be done about a failure: 'again' takes a new seat. */
  const recover = async (error: unknown): Promise<'again' | 'stopped'> => {
    const failure = asFailure(error);
    const { code } = failure;
    if (signal.aborted && (code === 'CANCELLED' || code === 'MEMBER_EVICTED')) {
      await goAway();
      return 'stopped';
    }
    if (code === 'MEMBER_EVICTED') {
      course.note(`lost its seat: ${failure.message}`);
      return 'again';
    }
    await exchange.leave().catch(() => undefined);
    if (code === 'EXCHANGE_MISMATCH' && current !== undefined) return settleDispute(current, failure);
    if (code !== 'MEMBER_BLAMED') throw error;
    return stayAway(failure);
  };
  const settleDispute = async (state: S, mismatch: Failure): Promise<'again' | 'stopped'> => {
    const { isGuilty, failure } = await course.convict(state, mismatch);
    if (isGuilty) return stayAway(failure);
    if (++disputes > mostDisputes) throw failure;
    course.note(`takes a new seat: ${failure.message}`);
    return 'again';
  };
  const stayAway = async (why: Failure): Promise<'again' | 'stopped'> => {
    course.note(`stays away for ${String(coolDownMs / 60_000)} minutes: ${why.message}`);
    await clock.sleep(coolDownMs, signal).catch(() => undefined);
    return signal.aborted ? 'stopped' : 'again';
  };
  for (;;) {
    try {
      await untilEnd();
      return 'finished';
    } catch (error) {
      if ((await recover(error)) === 'stopped') return 'stopped';
    }
  }
}
