import { Worker } from 'node:worker_threads';
import { asFailure, Failure, invariant } from '@lvnet/core';
import type { ExchangeFact, FailureText, FromThread, SessionOptions, ToThread } from './messages.js';
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
  /** Valid until the step after the next. */
  sum: Float32Array;
  view: View;
  /** Shards that this member computed. */
  computed: readonly number[];
  /** Seconds in which this member did not compute. */
  waitSeconds: number;
  bytesIn: number;
  bytesOut: number;
}

export interface Exchange {
  /** Stands by until there is a seat. @throws Failure('CANCELLED') when the signal aborts */
  join(signal: AbortSignal): Promise<Seat>;
  /**
   * The exact sum of all shards' vectors. `compute` fills one vector; it is called for this member's shards
   * and, after a death, for those that went missing.
   *
   * @throws Failure('MEMBER_EVICTED') join again; Failure('EXCHANGE_MISMATCH') members hold different weights
   */
  reduce(
    step: number,
    weightsSha256: string,
    compute: (shard: number, out: Float32Array) => Promise<void> | void,
  ): Promise<Reduced>;
  view(): View | undefined;
  /** 0 for the member that writes logs and checkpoints, -1 without a seat. */
  rank(): number;
  /** Gives the seat back; the last one of a finished run removes every key of it. */
  leave(o?: { finished?: boolean }): Promise<void>;
  close(): Promise<void>;
}

const defaultLeaseMs = 3_000;

/** Opens one member's exchange: a thread that holds the lease and does the sums. */
export function openExchange(options: ExchangeOptions): Promise<Exchange> {
  const bytes = options.length * Float32Array.BYTES_PER_ELEMENT;
  const sums = [new SharedArrayBuffer(bytes), new SharedArrayBuffer(bytes)] as const;
  const thread = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: sessionOptions(options, sums),
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
  return Promise.resolve({
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
      let failure: Failure | undefined;
      let chain = Promise.resolve();
      const computeAll = async (shards: readonly number[]) => {
        for (const shard of shards) {
          const from = performance.now();
          const buffer = leafBuffer(shard);
          await compute(shard, new Float32Array(buffer));
          busyMs += performance.now() - from;
          computed.push(shard);
          post({ kind: 'leaf', step, shard, buffer });
        }
      };
      const reply = await request({ kind: 'reduce', step, weightsSha256 }, (message) => {
        if (message.kind === 'compute') {
          chain = chain
            .then(() => computeAll(message.shards))
            .catch((error: unknown) => {
              failure ??= asFailure(error);
              listener?.({ kind: 'failed', failure: failure.toJSON() });
            });
        }
        return message.kind === 'reduced' ? message : undefined;
      });
      view = reply.view;
      return {
        sum: new Float32Array(step % 2 === 0 ? sums[0] : sums[1]),
        view: reply.view,
        computed,
        waitSeconds: Math.max(0, performance.now() - startMs - busyMs) / 1000,
        bytesIn: reply.bytesIn,
        bytesOut: reply.bytesOut,
      };
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
  });
}

function sessionOptions(options: ExchangeOptions, sums: SessionOptions['sums']): SessionOptions {
  const { run, worker, redisUrl, shards, length, roundedLength, wire, minMembers, wantedMembers, gatherMs } =
    options;
  const leaseMs = options.leaseMs ?? defaultLeaseMs;
  return {
    run,
    worker,
    redisUrl,
    shards,
    length,
    roundedLength,
    wire,
    minMembers,
    wantedMembers,
    gatherMs,
    leaseMs,
    sums,
  };
}

function answer(post: (message: ToThread) => void, work: () => Promise<ToThread>): void {
  Promise.resolve()
    .then(work)
    .then(post, (error: unknown) => {
      post({ kind: 'refused', failure: asFailure(error).toJSON() });
    });
}

const failureOf = ({ code, details, message, hint }: FailureText): Failure =>
  new Failure(code, details, { message, hint });
