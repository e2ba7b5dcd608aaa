import { asFailure, Failure, type Clock } from '@lvnet/core';
import { failureOf } from './context.js';
import type { ExchangeFact, FromThread, Replies, Request, SessionOptions, ToThread } from './messages.js';
import { rankOf, type View } from './view.js';

/** What a member's exchange asks of the member, and tells it. */
export interface MemberSide {
  /** Called when this member founds a life: the next life number and the step of the checkpoint to start from. */
  foundLife: () => Promise<{ life: number; step: number }>;
  /** Called between steps when somebody joins: the state of the last step. */
  snapshot: () => { step: number; bytes: Uint8Array };
  onReport: (fact: ExchangeFact) => void;
  /** Whether a leaf has nothing to compute, from which nobody's speed can be told; by default none. */
  isEmpty?: (step: number, shard: number) => boolean;
}

/** Where a member starts: `step` is the step whose weights are the start, `state` what a peer's `snapshot` gave. */
export type Seat = Replies['join'];

export interface Reduced {
  kind: 'reduced';
  /** Which attempt of the step this is the sum of. */
  attempt: number;
  /** Valid until the step after the next. */
  sum: Float32Array;
  /** Its `retry` tells why there was more than one attempt. */
  view: View;
  /** Shards that this member computed. */
  computed: readonly number[];
  /** Seconds in which this member did not compute. */
  waitSeconds: number;
  bytesIn: number;
  bytesOut: number;
}

/** This shard came out not finite on two members, or twice on the only one. */
export interface BadShard {
  kind: 'badShard';
  shard: number;
}

/**
 * Fills one vector; false where it is not finite, so that nobody must use it.
 *
 * @param skipped the shard's samples are left out: the vector must count for nothing
 */
export type ComputeShard = (shard: number, out: Float32Array, skipped: boolean) => Promise<boolean> | boolean;

export interface Exchange {
  /** Stands by until there is a seat. @throws Failure('CANCELLED') when the signal aborts */
  join(signal: AbortSignal): Promise<Seat>;
  /**
   * The exact sum of all shards' vectors. `compute` is called for this member's shards and for those of
   * members that died or are slow. Whoever finds the sum good commits it; after anything else the same step
   * is reduced again.
   *
   * @throws Failure('MEMBER_EVICTED') join again; Failure('EXCHANGE_MISMATCH') members hold different weights
   */
  reduce(step: number, weightsSha256: string, compute: ComputeShard): Promise<Reduced | BadShard>;
  /** False where the members do the step again. All members must judge a sum alike. */
  commit(step: number, attempt: number): Promise<boolean>;
  /** The sum shows that a shard is wrong: it is computed again, by another member if there is one. */
  discard(step: number, attempt: number, shard: number, loss: number): Promise<void>;
  /** The step is done again without this shard's samples. */
  skip(step: number, shard: number): Promise<void>;
  view(): View | undefined;
  /** 0 for the member that writes logs and checkpoints, -1 without a seat. */
  rank(): number;
  /** Gives the seat back, true where nobody is left; the last one of a finished run removes every key of it. */
  leave(o?: { finished?: boolean }): Promise<boolean>;
  close(): Promise<void>;
}

/** The way to a session, wherever it runs. */
export interface SessionPort {
  post(message: ToThread): void;
  /** Called once, before anything is posted. */
  listen(onMessage: (message: FromThread) => void, onEnd: (failure: Failure) => void): void;
  close(): Promise<void>;
}

/** A member's exchange over a session that does the sums and holds the lease. */
export function exchangeOver(
  port: SessionPort,
  session: Pick<SessionOptions, 'worker' | 'length' | 'sums'>,
  side: MemberSide,
  clock: Clock,
): Exchange {
  const { sums } = session;
  const leaves = new Map<number, SharedArrayBuffer>();
  let view: View | undefined;
  let waiting: Waiting | undefined;
  let ended: Failure | undefined;
  let lastId = 0;

  const answer = (work: () => Promise<ToThread>) => {
    const refuse = (error: unknown) => {
      port.post({ kind: 'refused', failure: asFailure(error).toJSON() });
    };
    Promise.resolve()
      .then(work)
      .then((message) => {
        port.post(message);
      })
      .catch(refuse);
  };
  const receive = (message: FromThread) => {
    switch (message.kind) {
      case 'fact':
        if (message.fact.kind === 'view') view = message.fact.view;
        side.onReport(message.fact);
        return;
      case 'ping':
        port.post({ kind: 'pong' });
        return;
      case 'seen':
        if (view !== undefined) view = message.view;
        return;
      case 'found':
        answer(async () => ({ kind: 'founded', ...(await side.foundLife()) }));
        return;
      case 'needSnapshot':
        answer(() => Promise.resolve({ kind: 'snapshot', ...side.snapshot() }));
        return;
      case 'compute':
        waiting?.onCompute?.(message);
        return;
      case 'reply':
        if (message.id === waiting?.id) waiting.resolve(message.reply);
        return;
      case 'failed':
        if (message.id !== waiting?.id) return;
        if (message.failure.code === 'MEMBER_EVICTED') view = undefined;
        waiting.reject(failureOf(message.failure));
    }
  };
  port.listen(receive, (failure) => {
    ended = failure;
    waiting?.reject(failure);
  });
  /** One request at a time; a new one gives up the one before. */
  const request = async <K extends Request['kind']>(
    content: Extract<Request, { kind: K }>,
    onCompute?: Waiting['onCompute'],
  ): Promise<Replies[K]> => {
    if (ended !== undefined) throw ended;
    const id = ++lastId;
    const reply = await new Promise<Replies[keyof Replies]>((resolve, reject) => {
      waiting = { id, resolve, reject, onCompute };
      port.post({ kind: 'request', id, request: content });
    });
    return reply as Replies[K];
  };
  const leafBuffer = (shard: number): SharedArrayBuffer => {
    const bytes = session.length * Float32Array.BYTES_PER_ELEMENT;
    const known = leaves.get(shard) ?? new SharedArrayBuffer(bytes);
    leaves.set(shard, known);
    return known;
  };
  return {
    async join(signal) {
      const onAbort = () => {
        port.post({ kind: 'cancel' });
      };
      if (signal.aborted)
        throw new Failure('CANCELLED', {}, { message: 'The wait for a seat was given up.' });
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const seat = await request({ kind: 'join' });
        view = seat.view;
        return seat;
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    async reduce(step, weightsSha256, compute) {
      const startMs = clock.monotonicMs();
      let busyMs = 0;
      const computed: number[] = [];
      let chain = Promise.resolve();
      let isGivenUp = false;
      const isOver = () => isGivenUp;
      const computeOne = async ({ attempt, shard, skipped, isCheck }: Compute) => {
        if (isOver()) return;
        const fromMs = clock.monotonicMs();
        const buffer = leafBuffer(isCheck ? checkLeaf : shard);
        const finite = await compute(shard, new Float32Array(buffer), skipped);
        if (isOver()) return;
        const ms = clock.monotonicMs() - fromMs;
        const seconds = ms / 1000;
        const isEmpty = skipped || side.isEmpty?.(step, shard) === true;
        busyMs += ms;
        if (!isCheck) computed.push(shard);
        side.onReport({ kind: 'computed', step, shard, seconds, isCheck });
        const told = isEmpty ? null : seconds;
        port.post({ kind: 'leaf', step, attempt, shard, buffer, seconds: told, finite, isCheck });
      };
      const onFailure = (error: unknown) => {
        if (!isOver()) waiting?.reject(asFailure(error));
      };
      const giveUp = (error: unknown): never => {
        // A shard that waits for its case goes on behind our back: not where the leaves of the next seat lie.
        isGivenUp = true;
        leaves.clear();
        throw error;
      };
      const reply = await request({ kind: 'reduce', step, weightsSha256 }, (message) => {
        if (message.step !== step) return;
        chain = chain.then(() => computeOne(message)).catch(onFailure);
      }).catch(giveUp);
      await chain; // a leaf that came too late for the sum must not be computed into the next step
      if (reply.kind === 'badShard') return reply;
      view = reply.view;
      const waitSeconds = Math.max(0, clock.monotonicMs() - startMs - busyMs) / 1000;
      const sum = new Float32Array(step % 2 === 0 ? sums[0] : sums[1]);
      return { ...reply, sum, computed, waitSeconds };
    },
    commit: (step, attempt) => request({ kind: 'commit', step, attempt }),
    discard: (step, attempt, shard, loss) => request({ kind: 'discard', step, attempt, shard, loss }),
    skip: (step, shard) => request({ kind: 'skip', step, shard }),
    view: () => view,
    rank: () => (view === undefined ? -1 : rankOf(view, session.worker)),
    async leave(o = {}) {
      const isEmpty = await request({ kind: 'leave', finished: o.finished === true });
      view = undefined;
      return isEmpty;
    },
    close: () => port.close(),
  };
}

/** Place of a leaf that is computed for a check alone: that of the sum may be on its way. */
const checkLeaf = -1;

type Compute = Extract<FromThread, { kind: 'compute' }>;

interface Waiting {
  id: number;
  resolve: (reply: Replies[keyof Replies]) => void;
  reject: (failure: Failure) => void;
  onCompute: ((message: Compute) => void) | undefined;
}
