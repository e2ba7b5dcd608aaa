import { segmentMarkBytes, segmentNameBytes, slotValues, type Segments } from '../segments.js';
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
      const count = message.values.length;
      const { halves, rest } = slotValues(segment, at, { count, halves: message.halves });
      vectors.roundToBf16(halves, message.values.subarray(0, message.halves));
      rest.set(message.values.subarray(message.halves));
      state[0] = BigInt(stamp);
    },
    find(segment, slots, name, mark) {
      for (let i = 0; i < slots.count; i++) {
        const at = slots.first + i * slots.stride;
        const stamp = stampAt(segment, at);
        if (stamp === 0) continue;
        if (!new Uint8Array(segment, at + 8, segmentNameBytes).every((byte, k) => byte === name[k])) continue;
        mark.set(new Uint8Array(segment, at + 8 + segmentNameBytes, segmentMarkBytes));
        return { at, stamp };
      }
      return undefined;
    },
    holds: (segment, { at, stamp }) => stampAt(segment, at) === stamp,
  };
}

const stampAt = (segment: ArrayBuffer, at: number): number =>
  Number(new BigUint64Array(segment, at, 1)[0] ?? 0n);
