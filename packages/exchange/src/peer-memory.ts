import {
  segmentMarkBytes,
  segmentNameBytes,
  slotBytes,
  slotValues,
  type OwnSegment,
  type Segments,
  type SlotTable,
} from '@lvnet/kernels';
import type { Bucket } from './buckets.js';
import { keyName, type TensorKey } from './tensor-keys.js';
import { roundedCount, type Part, type Wire } from './wire.js';

/**
 * Tensors in memory that members on one machine share: each writes into its own, and reads that of the others.
 * A hint only: whatever is not there is on the server, or is put there when somebody asks for it.
 */
export interface PeerMemory {
  /** How others find this member's; undefined: there is none. */
  readonly address: string | undefined;
  /** False: there is no room. */
  put(key: TensorKey, bucket: Bucket, values: Float32Array, weightsSha256: string): boolean;
  /** Nobody reads messages of steps up to this one any more. */
  release(step: number): void;
  /**
   * 'replaced': the other had another memory until now, so it is a new process; undefined where it cannot be reached.
   */
  open(worker: string, address: string): 'known' | 'new' | 'replaced' | undefined;
  /** Forgets the memory of all others. */
  keepOnly(workers: ReadonlySet<string>): void;
  /**
   * The message in the memory of whoever has it; undefined: nobody has it.
   *
   * @param first who should have it
   */
  find(key: TensorKey, bucket: Bucket, first: string | undefined): Found | undefined;
  /** Forgets what was written. */
  clear(): void;
  close(): void;
}

/** A message in another member's memory. */
export interface Found extends Part {
  /** Of the weights it was computed from. */
  weightsSha256: string;
  /** False: it was overwritten, and whatever was read from it until now is worthless. */
  isStill(): boolean;
}

/** Room for so many vectors: those of two steps, each in up to two parts of the tree. */
const vectors = 4;
const tokenBytes = 16;
const firstSlot = 64;

/** @param token random: a segment is known by it, whoever has the address by then */
export function createPeerMemory(
  segments: Segments,
  buckets: readonly Bucket[],
  wire: Wire,
  token: Uint8Array,
): PeerMemory {
  const widest = Math.max(
    ...buckets.map((bucket) => slotBytes(bucket.end - bucket.start, roundedCount(wire, bucket))),
  );
  const slots: SlotTable = { first: firstSlot, stride: widest, count: vectors * buckets.length };
  const bytes = slots.first + slots.stride * slots.count;
  const own = segments.create(bytes);
  if (own !== undefined) new Uint8Array(own.buffer, 0, tokenBytes).set(token.subarray(0, tokenBytes));
  const held: (Held | undefined)[] = Array.from({ length: slots.count }, () => undefined);
  const peers = new Map<string, { address: string; buffer: ArrayBuffer }>();
  const head = new Uint8Array(segmentNameBytes + segmentMarkBytes);
  const [name, mark] = [new Uint8Array(segmentNameBytes), Buffer.alloc(segmentMarkBytes)];
  let released = Number.NEGATIVE_INFINITY;
  let stamp = 0;

  return {
    address: own === undefined ? undefined : addressOf(own, token),
    put(key, bucket, values, weightsSha256) {
      if (own === undefined) return false;
      const text = keyName(key);
      if (held.some((item) => item?.text === text)) return true;
      const slot = held.findIndex((item) => item === undefined || item.step <= released);
      if (slot < 0) return false;
      writeName(head, key);
      head.set(Buffer.from(weightsSha256, 'hex'), segmentNameBytes);
      const at = slots.first + slot * slots.stride;
      segments.write(own.buffer, at, ++stamp, head, { values, halves: roundedCount(wire, bucket) });
      held[slot] = { text, step: key.position.step };
      return true;
    },
    release(step) {
      released = step;
    },
    open(worker, address) {
      const held = peers.get(worker);
      if (held?.address === address) return 'known';
      const [place = '', expected = ''] = address.split('#');
      const buffer = segments.open(place);
      if (buffer?.byteLength !== bytes) return undefined;
      if (Buffer.from(buffer, 0, tokenBytes).toString('hex') !== expected) return undefined;
      peers.set(worker, { address, buffer });
      return held === undefined ? 'new' : 'replaced';
    },
    keepOnly(workers) {
      for (const worker of peers.keys()) if (!workers.has(worker)) peers.delete(worker);
    },
    find(key, bucket, first) {
      writeName(name, key);
      const size = { count: bucket.end - bucket.start, halves: roundedCount(wire, bucket) };
      const findIn = (buffer: ArrayBuffer): Found | undefined => {
        const place = segments.find(buffer, slots, name, mark);
        if (place === undefined) return undefined;
        const { halves: rounded, rest } = slotValues(buffer, place.at, size);
        const weightsSha256 = mark.toString('hex');
        const isStill = () => segments.holds(buffer, place);
        return { rounded, rest, weightsSha256, isStill };
      };
      const likely = first === undefined ? undefined : peers.get(first)?.buffer;
      let found = likely === undefined ? undefined : findIn(likely);
      for (const { buffer } of peers.values()) {
        if (found === undefined && buffer !== likely) found = findIn(buffer);
      }
      return found;
    },
    clear() {
      held.fill(undefined);
      released = Number.NEGATIVE_INFINITY;
    },
    close() {
      own?.close();
      peers.clear();
    },
  };
}

interface Held {
  text: string;
  step: number;
}

const addressOf = ({ address }: OwnSegment, token: Uint8Array): string =>
  `${address}#${Buffer.from(token.subarray(0, tokenBytes)).toString('hex')}`;

/** Six numbers; the whole sum is the node of no leaves. */
function writeName(into: Uint8Array, { position, bucket, node }: TensorKey): void {
  const view = new DataView(into.buffer, into.byteOffset, segmentNameBytes);
  const { life, step, attempt } = position;
  [life, step, attempt, bucket, node?.lo ?? 0, node?.hi ?? 0].forEach((value, i) => {
    view.setUint32(i * 4, value, true);
  });
}
