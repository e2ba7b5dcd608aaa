import { Worker } from 'node:worker_threads';
import { Failure, systemClock } from '@lvnet/core';
import { usualCheckEverySteps } from './check.js';
import { exchangeOver, type Exchange, type MemberSide, type SessionPort } from './exchange.js';
import type { FromThread, ThreadOptions } from './messages.js';
import type { Terms } from './terms.js';
import type { WireFormat } from './wire.js';

export interface ExchangeOptions extends MemberSide {
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
  /** What all members must have alike, by what it is called: whoever differs is refused in these words. */
  terms?: Terms;
  leaseMs?: number;
  /** Every so many steps a shard is computed by two members and compared; default 50. */
  checkEverySteps?: number;
  /** False: members on one machine also send everything over the server. */
  sharedMemory?: boolean;
}

const defaultLeaseMs = 2_500;
const firstLeafSeconds = 600;

/** Opens one member's exchange: a thread that holds the lease and does the sums. */
export function openExchange(options: ExchangeOptions): Exchange {
  const bytes = options.length * Float32Array.BYTES_PER_ELEMENT;
  const sums = [new SharedArrayBuffer(bytes), new SharedArrayBuffer(bytes)] as const;
  const { run, worker, redisUrl, shards, length, roundedLength, wire } = options;
  const { minMembers, wantedMembers, gatherMs, hasLived, leaseMs = defaultLeaseMs } = options;
  const { checkEverySteps = usualCheckEverySteps, sharedMemory = true } = options;
  const workerData: ThreadOptions = {
    ...{ run, worker, redisUrl, shards, length, roundedLength, wire },
    ...{ minMembers, wantedMembers, gatherMs, hasLived, leaseMs, firstLeafSeconds, checkEverySteps, sums },
    ...{ terms: options.terms ?? {}, sharedMemory },
  };
  return exchangeOver(threadPort(workerData), workerData, options, systemClock);
}

function threadPort(workerData: ThreadOptions): SessionPort {
  const thread = new Worker(new URL('./thread.js', import.meta.url), { workerData });
  return {
    post: (message) => {
      thread.postMessage(message);
    },
    listen(onMessage, onEnd) {
      thread.on('message', (message: FromThread) => {
        onMessage(message);
      });
      thread.on('error', (error) => {
        const message = `The exchange thread failed: ${error.message}`;
        onEnd(new Failure('EXCHANGE_LOST', {}, { message, cause: error }));
      });
    },
    async close() {
      thread.postMessage({ kind: 'close' });
      await thread.terminate();
    },
  };
}
