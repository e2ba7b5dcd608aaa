import type { FailureCode } from '@lvnet/core';
import type { View } from './view.js';
import type { WireFormat } from './wire.js';

/** What the exchange thread is started with. */
export interface SessionOptions {
  run: string;
  worker: string;
  redisUrl: string;
  shards: number;
  length: number;
  roundedLength: number;
  wire: WireFormat;
  minMembers: number;
  wantedMembers: number;
  gatherMs: number;
  leaseMs: number;
  /** Room for the sums of even and of odd steps. */
  sums: readonly [SharedArrayBuffer, SharedArrayBuffer];
}

export type ToThread =
  | { kind: 'join' }
  | { kind: 'cancel' }
  | { kind: 'reduce'; step: number; weightsSha256: string }
  | { kind: 'leaf'; step: number; shard: number; buffer: SharedArrayBuffer }
  | { kind: 'founded'; life: number; step: number }
  | { kind: 'snapshot'; step: number; bytes: Uint8Array }
  | { kind: 'refused'; failure: FailureText }
  | { kind: 'leave'; finished: boolean }
  | { kind: 'close' };

export type FromThread =
  | { kind: 'found' }
  | { kind: 'needSnapshot' }
  | {
      kind: 'seat';
      life: number;
      step: number;
      source: 'checkpoint' | 'peer';
      state: Uint8Array | null;
      view: View;
    }
  | { kind: 'compute'; step: number; shards: number[] }
  | { kind: 'reduced'; step: number; view: View; bytesIn: number; bytesOut: number }
  | { kind: 'left' }
  | { kind: 'failed'; failure: FailureText }
  | { kind: 'fact'; fact: ExchangeFact };

export interface FailureText {
  code: FailureCode;
  message: string;
  hint: string;
  details: Record<string, unknown>;
}

/** What the exchange reports while it runs. */
export type ExchangeFact =
  | { kind: 'view'; view: View; reason: 'founded' | 'join' | 'leave' | 'lost'; workers: readonly string[] }
  | { kind: 'disconnected'; message: string }
  | { kind: 'reconnected' };
