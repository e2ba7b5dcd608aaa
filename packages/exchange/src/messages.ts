import type { FailureCode } from '@lvnet/core';
import type { ChangeReason } from './decide.js';
import type { Terms } from './terms.js';
import type { View } from './view.js';
import type { WireFormat } from './wire.js';

/** What the exchange thread is started with. */
export interface SessionOptions {
  run: string;
  worker: string;
  shards: number;
  length: number;
  roundedLength: number;
  wire: WireFormat;
  minMembers: number;
  wantedMembers: number;
  gatherMs: number;
  leaseMs: number;
  /** The first leaves may compile, page in, or read their scans over a slow network: at most so long. */
  firstLeafSeconds: number;
  /** What all members must have alike, beside the shape of the sums. */
  terms: Terms;
  /** Every so many steps a shard is computed by two members. */
  checkEverySteps: number;
  /** The run had a life before this session: an absent view then means a server that lost it. */
  hasLived: boolean;
  /** Room for the sums of even and of odd steps. */
  sums: readonly [SharedArrayBuffer, SharedArrayBuffer];
}

export interface ThreadOptions extends SessionOptions {
  redisUrl: string;
  sharedMemory: boolean;
}

/** What the member asks; each request is answered once, one after the other. */
export type Request =
  | { kind: 'join' }
  | { kind: 'reduce'; step: number; weightsSha256: string }
  /** The sum of an attempt is good. */
  | { kind: 'commit'; step: number; attempt: number }
  /** The sum of an attempt shows that a shard is wrong: do the step again with it at another member. */
  | { kind: 'discard'; step: number; attempt: number; shard: number; loss: number }
  /** A shard's samples are bad: do the step again without them. */
  | { kind: 'skip'; step: number; shard: number }
  | { kind: 'leave'; finished: boolean };

/** By the kind of the request. */
export interface Replies {
  join: { life: number; step: number; source: 'checkpoint' | 'peer'; state: Uint8Array | null; view: View };
  reduce:
    | { kind: 'reduced'; attempt: number; view: View; bytesIn: number; bytesOut: number }
    /** Whoever computed it found the shard not finite: its samples are to blame. */
    | { kind: 'badShard'; shard: number };
  /** False: reduce the step again. */
  commit: boolean;
  discard: undefined;
  skip: undefined;
  /** True: it was the last one. */
  leave: boolean;
}

export type ToThread =
  | { kind: 'request'; id: number; request: Request }
  | { kind: 'cancel' }
  | Leaf
  | { kind: 'founded'; life: number; step: number }
  | { kind: 'snapshot'; step: number; bytes: Uint8Array }
  | { kind: 'refused'; failure: FailureText }
  /** The main thread's answer to `ping`. */
  | { kind: 'pong' }
  | { kind: 'close' };

/** A shard's vector. */
export interface Leaf {
  kind: 'leaf';
  step: number;
  /** Which it was asked for in: one that came to nothing may have been so because of this shard. */
  attempt: number;
  shard: number;
  buffer: SharedArrayBuffer;
  /** null: there was nothing to compute. */
  seconds: number | null;
  /** False: it must not be used by anybody. */
  finite: boolean;
  /** Computed for a check alone, no part of the sum. */
  isCheck: boolean;
}

export type FromThread =
  | { kind: 'reply'; id: number; reply: Replies[keyof Replies] }
  | { kind: 'failed'; id: number; failure: FailureText }
  /** `attempt`: of the step, as this member knows it; comes back with the leaf. */
  | { kind: 'compute'; step: number; attempt: number; shard: number; skipped: boolean; isCheck: boolean }
  /** Does the main thread still take messages? */
  | { kind: 'ping' }
  | { kind: 'found' }
  | { kind: 'needSnapshot' }
  /** The view as it stands while no step is on. */
  | { kind: 'seen'; view: View }
  | { kind: 'fact'; fact: ExchangeFact };

export interface FailureText {
  code: FailureCode;
  message: string;
  hint: string;
  details: Record<string, unknown>;
}

/** What the exchange reports while it runs. */
export type ExchangeFact =
  | { kind: 'view'; view: View; reason: ChangeReason; workers: readonly string[]; why: string }
  | { kind: 'disconnected'; message: string }
  | { kind: 'reconnected' }
  /** The server refuses to write, for lack of memory as a rule. */
  | { kind: 'refused'; message: string }
  /** The server answers with the same error again and again. */
  | { kind: 'serverError'; message: string }
  /** Leaves computed in place of somebody slow. */
  | { kind: 'speculated'; step: number; shard: number }
  /** A leaf was computed here, for the sum or for a check alone. */
  | { kind: 'computed'; step: number; shard: number; seconds: number; isCheck: boolean }
  | { kind: 'slept'; seconds: number }
  /** A key of the run holds what no member wrote. */
  | { kind: 'strange'; key: string; found: string }
  /** This worker waits, as there are members enough. */
  | { kind: 'standsBy'; members: number; shards: number };
