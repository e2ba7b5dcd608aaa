import { loadKernels, referenceKernels } from '@lvnet/kernels';
import type { Bucket } from './buckets.js';
import type { Memory } from './memory.js';
import type { Sink } from './resp.js';
import type { Additions } from './tree.js';

export type WireFormat = 'float32' | 'bf16';

/** The leading elements that travel as bfloat16 where the format says so. */
export interface Wire {
  format: WireFormat;
  roundedLength: number;
}

/** Every message starts with the SHA-256 of the weights from which it was computed. */
const hashBytes = 32;

const kernels = loadKernels() ?? referenceKernels;

/** A bucket's values as they lie somewhere: those that travel as bfloat16, rounded or not yet, then the others. */
export interface Part {
  rounded: Float32Array | Uint16Array;
  rest: Float32Array;
}

export function partOf(wire: Wire, bucket: Bucket, values: Float32Array): FloatPart {
  const count = roundedCount(wire, bucket);
  return { rounded: values.subarray(0, count), rest: values.subarray(count) };
}

/**
 * Adds up. Every node from leaf to root is rounded where the wire says so, whether it travels or not, so that the bits
 * do not depend on who added.
 */
export function addParts({ sources, order }: Additions<Part>, { rounded, rest }: FloatPart): void {
  const steps = Int32Array.from(order);
  if (rounded.length > 0) {
    const from = sources.map((part) => part.rounded);
    kernels.addTree(from, steps, true, rounded);
  }
  if (rest.length > 0) {
    const from = sources.map((part) => part.rest);
    kernels.addTree(from, steps, false, rest);
  }
}

interface FloatPart extends Part {
  rounded: Float32Array;
}

/** How many of a bucket's first values travel as bfloat16. */
export function roundedCount({ format, roundedLength }: Wire, bucket: Bucket): number {
  if (format === 'float32') return 0;
  return Math.max(0, Math.min(bucket.end, roundedLength) - bucket.start);
}

const bytesOf = (values: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Bytes of a bucket's message. */
export const messageBytes = (wire: Wire, bucket: Bucket): number =>
  hashBytes + (bucket.end - bucket.start) * 4 - roundedCount(wire, bucket) * 2;

export interface Outgoing {
  /** What travels as float32 is not copied and must stay as it is until the message is sent. */
  pieces: readonly Uint8Array[];
  /** The message is sent. */
  release(): void;
}

export function encodePart(
  wire: Wire,
  bucket: Bucket,
  values: Float32Array,
  weightsSha256: string,
  halves: Memory<Uint16Array>,
): Outgoing {
  const count = roundedCount(wire, bucket);
  const half = halves.take(count);
  if (count > 0) kernels.roundToBf16(half, values.subarray(0, count));
  return {
    pieces: [Buffer.from(weightsSha256, 'hex'), bytesOf(half), bytesOf(values.subarray(count))],
    release: () => {
      halves.give(half);
    },
  };
}

/** Room for one incoming message: a sink for the client, and what it holds once it has come. */
export interface Incoming {
  sink: Sink;
  /** Whether a message of the right length has come. */
  arrived(): boolean;
  /** The sender's weights. */
  weightsSha256(): string;
  /** Turns what has come as bfloat16 into floats. */
  settle(): void;
  /** The answer has come, whatever it is: nothing is written here any more. */
  release(): void;
}

/** @param values where the message's values are to go */
export function incoming(
  wire: Wire,
  bucket: Bucket,
  values: Float32Array,
  halves: Memory<Uint16Array>,
): Incoming {
  const count = roundedCount(wire, bucket);
  const hash = Buffer.alloc(hashBytes);
  const half = halves.take(count);
  const pieces = [hash, bytesOf(half), bytesOf(values.subarray(count))];
  let fits = false;
  return {
    sink(length) {
      fits = length === messageBytes(wire, bucket);
      return fits ? pieces : undefined;
    },
    arrived: () => fits,
    weightsSha256: () => hash.toString('hex'),
    settle() {
      if (count > 0) kernels.fromBf16(values.subarray(0, count), half);
    },
    release: () => {
      halves.give(half);
    },
  };
}
