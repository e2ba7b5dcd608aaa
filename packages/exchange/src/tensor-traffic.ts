import { Failure } from '@lvnet/core';
import type { Bucket } from './buckets.js';
import type { Link } from './link.js';
import { isOtherType } from './membership.js';
import type { Memory } from './memory.js';
import type { Notices } from './notices.js';
import type { Found, PeerMemory } from './peer-memory.js';
import { tensorKey, type TensorKey } from './tensor-keys.js';
import { encodePart, incoming, messageBytes, type Wire } from './wire.js';

export interface TrafficParts {
  link: Pick<Link, 'command'>;
  notices: Notices;
  run: string;
  worker: string;
  wire: Wire;
  halves: Memory<Uint16Array>;
  /** What members on this machine share. */
  peers: PeerMemory | undefined;
  /** Keys expire after so long, whatever happens. */
  expireSeconds: number;
  /** A key holds what no member wrote. */
  onStrange: (key: string, found: string) => void;
}

/** Where a value goes: into this member's memory, for those who read it, or to the server, for everybody. */
export type Way = 'memory' | 'server';

/** One step's tensors on their way to others and from them. */
export interface Traffic {
  readonly bytes: { in: number; out: number };
  /** Writes a value and tells a channel of it; resolves with the way it went: the server where memory has no room. */
  send(key: TensorKey, bucket: Bucket, values: Float32Array, to: string, way: Way): Promise<Way>;
  /** What a key holds in the memory of others. @throws Failure('EXCHANGE_MISMATCH') */
  find(key: TensorKey, bucket: Bucket): Found | undefined;
  /** Fills values with what a key holds on the server; false: nothing. @throws Failure('EXCHANGE_MISMATCH') */
  fetch(key: TensorKey, bucket: Bucket, into: Float32Array): Promise<boolean>;
  isAnyOnServer(keys: readonly TensorKey[]): Promise<boolean>;
  /** Who said that it wrote a key. */
  announced(key: TensorKey, sender: string): void;
  /** Every key of this step that this member wrote to the server. */
  written(): string[];
}

export function createTraffic(parts: TrafficParts, step: number, weightsSha256: string): Traffic {
  const { link, notices, run, worker, wire, halves, peers } = parts;
  const bytes = { in: 0, out: 0 };
  const senders = new Map<string, string>();
  const written = new Set<string>();
  const check = (name: string, found: string) => {
    if (found !== weightsSha256) throw differs(name, step, senders.get(name));
  };
  const toServer = async (name: string, bucket: Bucket, values: Float32Array, to: string) => {
    written.add(name);
    const message = encodePart(wire, bucket, values, weightsSha256, halves);
    await Promise.all([
      link.command(['SET', name, message.pieces, 'EX', parts.expireSeconds]),
      link.command(['PUBLISH', to, `${name} ${worker}`]),
    ]);
    message.release();
  };

  return {
    bytes,
    async send(key, bucket, values, to, way) {
      const name = tensorKey(run, key);
      const taken = way === 'memory' && peers?.put(key, bucket, values, weightsSha256) === true;
      if (taken) await notices.tell(to, `${name} ${worker}`);
      else await toServer(name, bucket, values, to);
      bytes.out += messageBytes(wire, bucket);
      return taken ? 'memory' : 'server';
    },
    find(key, bucket) {
      if (peers === undefined) return undefined;
      const name = tensorKey(run, key);
      const found = peers.find(key, bucket, senders.get(name));
      if (found === undefined) return undefined;
      check(name, found.weightsSha256);
      bytes.in += messageBytes(wire, bucket);
      return found;
    },
    async fetch(key, bucket, into) {
      const name = tensorKey(run, key);
      const message = incoming(wire, bucket, into, halves);
      const reply = await link.command(['GET', name], message.sink).catch((error: unknown) => {
        if (!isOtherType(error)) throw error;
        parts.onStrange(name, error.message);
        return null;
      });
      const isThere = reply !== null && message.arrived();
      if (isThere) {
        check(name, message.weightsSha256());
        message.settle();
        bytes.in += messageBytes(wire, bucket);
      } else if (reply !== null) {
        const length = Buffer.isBuffer(reply) ? reply.length : 0;
        parts.onStrange(name, `${String(length)} bytes instead of ${String(messageBytes(wire, bucket))}`);
      }
      message.release();
      return isThere;
    },
    isAnyOnServer: async (wanted) =>
      Number(await link.command(['EXISTS', ...wanted.map((key) => tensorKey(run, key))])) > 0,
    announced: (key, sender) => void senders.set(tensorKey(run, key), sender),
    written: () => [...written],
  };
}

function differs(key: string, step: number, sender: string | undefined): Failure {
  return new Failure(
    'EXCHANGE_MISMATCH',
    { key, step, sender: sender ?? null },
    {
      message: `Step ${String(step)}: ${sender ?? 'a member'} holds other weights than this worker (key ${key}).`,
      hint: 'Replay the steps from the last checkpoint to see which machine computes wrongly.',
    },
  );
}
