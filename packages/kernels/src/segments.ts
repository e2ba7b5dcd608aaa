/** Values that travel rounded, and which of them. */
export interface SegmentValues {
  values: Float32Array;
  /** So many of the first ones travel as bfloat16. */
  halves: number;
}

/** Where a segment's slots lie, in bytes; multiples of 64. */
export interface SlotTable {
  first: number;
  stride: number;
  count: number;
}

/** Bytes before a slot's values. */
const headBytes = 64;
export const segmentNameBytes = 24;
export const segmentMarkBytes = 32;

/** Offset of what travels as float32 in a slot. */
export const slotRestAt = (halves: number): number => headBytes + Math.ceil((halves * 2) / 64) * 64;

/** Bytes of a slot for so many values; a multiple of 64. */
export const slotBytes = (count: number, halves: number): number =>
  Math.ceil((slotRestAt(halves) + (count - halves) * 4) / 64) * 64;

/** A message's values where they lie: those that travel as bfloat16, then the others. */
export function slotValues(
  segment: ArrayBuffer,
  at: number,
  { count, halves }: { count: number; halves: number },
): { halves: Uint16Array; rest: Float32Array } {
  return {
    halves: new Uint16Array(segment, at + headBytes, halves),
    rest: new Float32Array(segment, at + slotRestAt(halves), count - halves),
  };
}

/** A segment of one's own. */
export interface OwnSegment {
  buffer: ArrayBuffer;
  /** How others on this machine find it. */
  address: string;
  /** From now on nobody finds it; whoever has it open keeps it. */
  close(): void;
}

/** Where a message lies in a segment. */
export interface SlotPlace {
  /** Where its slot begins. */
  at: number;
  stamp: number;
}

/**
 * Memory that processes of one machine share. One writes messages into slots of its own segment, others use
 * them there, as slow as they like: a message that was overwritten meanwhile counts as not there.
 */
export interface Segments {
  /** undefined: there is no such memory here. */
  create(bytes: number): OwnSegment | undefined;
  /** Somebody's segment, only to be read; undefined: not on this machine, or gone. */
  open(address: string): ArrayBuffer | undefined;
  /**
   * @param at where the slot begins
   * @param stamp another one for each message of the segment, 1 at least
   * @param head name and mark, 24 and 32 bytes
   */
  write(segment: ArrayBuffer, at: number, stamp: number, head: Uint8Array, message: SegmentValues): void;
  /** The message of that name, whose mark is filled; undefined: it is not there, the mark is worthless. */
  find(segment: ArrayBuffer, slots: SlotTable, name: Uint8Array, mark: Uint8Array): SlotPlace | undefined;
  /** Whether it is still there: otherwise whatever was read from its place until now is worthless. */
  holds(segment: ArrayBuffer, place: SlotPlace): boolean;
}
