import { Worker } from 'node:worker_threads';
import { asFailure, Failure, invariant } from '@lvnet/core';
import { failureOf } from './context.js';
import type { ExchangeFact, FromThread, ThreadOptions, ToThread } from './messages.js';
import { rankOf, type View } from './view.js';
import type { WireFormat } from './wire.js';

export interface ExchangeOptions {
  run: string;
  /** Drawn at process start; a restarted process is a newcomer. */
  worker: string;
  /** The tensor server. */
  redisUrl: string;
  /** Leaves of the tree. */
  shards: number;
  /** float32 elements of one vector. */
  length: number;
  /** Leading elements that the bf16 wire rounds. */
  roundedLength: number;
  wire: WireFormat;
  minMembers: number;
  wantedMembers: number;
  /** How long the founder of a life waits for `wantedMembers`. */
  gatherMs: number;
  /** The run had a life before. */
  hasLived: boolean;
  leaseMs?: number;
  /** Called when this member founds a life: the next life number and the step of the checkpoint to start from. */
  foundLife: () => Promise<{ life: number; step: number }>;
  /** Called between steps when somebody joins: the state of the last step. */
  snapshot: () => { step: number; bytes: Uint8Array };
  onReport: (fact: ExchangeFact) => void;
}

export interface Seat {
  life: number;
  /** The step whose weights are the start. */
  step: number;
  source: 'checkpoint' | 'peer';
  /** What a peer's `snapshot` gave, for source `peer`. */
  state: Uint8Array | null;
  view: View;
}

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
  /** Gives the seat back; the last one of a finished run removes every key of it. */
  leave(o?: { finished?: boolean }): Promise<void>;
  close(): Promise<void>;
}

const defaultLeaseMs = 2_500;

/** Opens one member's exchange: a thread that holds the lease and does the sums. */
export function openExchange(options: ExchangeOptions): Exchange {
  const bytes = options.length * Float32Array.BYTES_PER_ELEMENT;
  const sums = [new SharedArrayBuffer(bytes), new SharedArrayBuffer(bytes)] as const;
  const thread = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: threadOptions(options, sums),
  });
  const post = (message: ToThread) => {
    thread.postMessage(message);
  };
  const leaves = new Map<number, SharedArrayBuffer>();
  let view: View | undefined;
  let listener: ((message: FromThread) => void) | undefined;
  let ended: Failure | undefined;
  thread.on('message', (message: FromThread) => {
    if (message.kind === 'fact') {
      if (message.fact.kind === 'view') view = message.fact.view;
      options.onReport(message.fact);
    } else if (message.kind === 'found') {
      answer(post, async () => ({ kind: 'founded', ...(await options.foundLife()) }));
    } else if (message.kind === 'needSnapshot') {
      answer(post, () => Promise.resolve({ kind: 'snapshot', ...options.snapshot() }));
    } else listener?.(message);
  });
  thread.on('error', (error) => {
    ended = new Failure(
      'EXCHANGE_LOST',
      {},
      { message: `The exchange thread failed: ${error.message}`, cause: error },
    );
    listener?.({ kind: 'failed', failure: ended.toJSON() });
  });

  /** Sends a request and hears messages until `take` returns a result. */
  const request = <T>(message: ToThread, take: (reply: FromThread) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      invariant(listener === undefined, 'one request at a time');
      listener = (reply) => {
        if (reply.kind === 'failed') {
          listener = undefined;
          if (reply.failure.code === 'MEMBER_EVICTED') view = undefined;
          reject(failureOf(reply.failure));
          return;
        }
        const result = take(reply);
        if (result === undefined) return;
        listener = undefined;
        resolve(result);
      };
      post(message);
    });

  const leafBuffer = (shard: number): SharedArrayBuffer => {
    const known = leaves.get(shard) ?? new SharedArrayBuffer(bytes);
    leaves.set(shard, known);
    return known;
  };
  return {
    async join(signal) {
      const onAbort = () => {
        post({ kind: 'cancel' });
      };
      if (signal.aborted)
        throw new Failure('CANCELLED', {}, { message: 'The wait for a seat was given up.' });
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const seat = await request({ kind: 'join' }, (reply) => (reply.kind === 'seat' ? reply : undefined));
        view = seat.view;
        return seat;
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    async reduce(step, weightsSha256, compute) {
      const startMs = performance.now();
      let busyMs = 0;
      const computed: number[] = [];
      let chain = Promise.resolve();
      const computeOne = async (shard: number, skipped: boolean) => {
        const fromMs = performance.now();
        const buffer = leafBuffer(shard);
        const finite = await compute(shard, new Float32Array(buffer), skipped);
        const ms = performance.now() - fromMs;
        busyMs += ms;
        computed.push(shard);
        post({ kind: 'leaf', step, shard, buffer, seconds: ms / 1000, finite });
      };
      const onFailure = (error: unknown) => {
        listener?.({ kind: 'failed', failure: asFailure(error).toJSON() });
      };
      const reply = await request({ kind: 'reduce', step, weightsSha256 }, (message) => {
        if (message.kind === 'compute' && message.step === step) {
          chain = chain.then(() => computeOne(message.shard, message.skipped)).catch(onFailure);
        }
        return message.kind === 'reduced' || message.kind === 'badShard' ? message : undefined;
      });
      await chain; // a leaf that came too late for the sum must not be computed into the next step
      if (reply.kind === 'badShard') return { kind: 'badShard', shard: reply.shard };
      view = reply.view;
      const waitSeconds = Math.max(0, performance.now() - startMs - busyMs) / 1000;
      const sum = new Float32Array(step % 2 === 0 ? sums[0] : sums[1]);
      const { attempt, bytesIn, bytesOut } = reply;
      return { kind: 'reduced', attempt, sum, view: reply.view, computed, waitSeconds, bytesIn, bytesOut };
    },
    async commit(step, attempt) {
      const reply = await request({ kind: 'commit', step, attempt }, takeSettled);
      return reply.committed;
    },
    async discard(step, attempt, shard, loss) {
      await request({ kind: 'discard', step, attempt, shard, loss }, takeSettled);
    },
    async skip(step, shard) {
      await request({ kind: 'skip', step, shard }, takeSettled);
    },
    view: () => view,
    rank: () => (view === undefined ? -1 : rankOf(view, options.worker)),
    async leave(o = {}) {
      listener = undefined; // an unfinished wait ends here
      await request({ kind: 'leave', finished: o.finished === true }, (reply) =>
        reply.kind === 'left' ? true : undefined,
      );
      view = undefined;
    },
    async close() {
      post({ kind: 'close' });
      await thread.terminate();
    },
  };
}

const takeSettled = (reply: FromThread) => (reply.kind === 'settled' ? reply : undefined);

function threadOptions(options: ExchangeOptions, sums: ThreadOptions['sums']): ThreadOptions {
  const { run, worker, redisUrl, shards, length, roundedLength, wire } = options;
  const { minMembers, wantedMembers, gatherMs, hasLived, leaseMs = defaultLeaseMs } = options;
  return {
    ...{ run, worker, redisUrl, shards, length, roundedLength, wire },
    ...{ minMembers, wantedMembers, gatherMs, hasLived, leaseMs, sums },
  };
}

function answer(post: (message: ToThread) => void, work: () => Promise<ToThread>): void {
  Promise.resolve()
    .then(work)
    .then(post, (error: unknown) => {
      post({ kind: 'refused', failure: asFailure(error).toJSON() });
    });
}
