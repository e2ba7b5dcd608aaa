import {
  segmentMarkBytes,
  segmentNameBytes,
  slotRestAt,
  type Segments,
  type SegmentValues,
} from '../segments.js';
import { vectors } from './vectors.js';

/** Segments within one process, in plain loops: they judge the native ones, and simulations live on them. */
export function createLocalSegments(): Segments {
  const known = new Map<string, ArrayBuffer>();
  let last = 0;
  return {
    create(bytes) {
      const buffer = new ArrayBuffer(bytes);
      const address = `local/${String(++last)}`;
      known.set(address, buffer);
      return { buffer, address, close: () => void known.delete(address) };
    },
    open: (address) => known.get(address),
    write(segment, at, stamp, head, message) {
      const state = new BigUint64Array(segment, at, 1);
      state[0] = 0n;
      new Uint8Array(segment, at + 8, segmentNameBytes + segmentMarkBytes).set(head);
      const { halves, rest } = partsOf(segment, at, message);
      vectors.roundToBf16(halves, message.values.subarray(0, message.halves));
      rest.set(message.values.subarray(message.halves));
      state[0] = BigInt(stamp);
    },
    read(segment, slots, name, mark, into) {
      for (let i = 0; i < slots.count; i++) {
        const at = slots.first + i * slots.stride;
        if (new BigUint64Array(segment, at, 1)[0] === 0n) continue;
        if (!new Uint8Array(segment, at + 8, segmentNameBytes).every((byte, k) => byte === name[k])) continue;
        mark.set(new Uint8Array(segment, at + 8 + segmentNameBytes, segmentMarkBytes));
        const { halves, rest } = partsOf(segment, at, into);
        vectors.fromBf16(into.values.subarray(0, into.halves), halves);
        into.values.set(rest, into.halves);
        return true;
      }
      return false;
    },
  };
}

function partsOf(segment: ArrayBuffer, at: number, { values, halves }: SegmentValues) {
  return {
    halves: new Uint16Array(segment, at + 64, halves),
    rest: new Float32Array(segment, at + slotRestAt(halves), values.length - halves),
  };
}
