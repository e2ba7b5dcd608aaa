import { loadKernels, referenceKernels } from '@lvnet/kernels';
import type { Bucket } from './buckets.js';
import type { Sink } from './resp.js';

export type WireFormat = 'float32' | 'bf16';

/** The leading elements that travel as bfloat16 where the format says so. */
export interface Wire {
  format: WireFormat;
  roundedLength: number;
}

/** Every message starts with the SHA-256 of the weights from which it was computed. */
const hashBytes = 32;

const kernels = loadKernels() ?? referenceKernels;

export const addInto = (into: Float32Array, from: Float32Array): void => {
  kernels.addInto(into, from);
};

/** Rounds the part of a bucket's values that travels as bfloat16, in place. */
export function roundPart(wire: Wire, bucket: Bucket, values: Float32Array): void {
  const count = roundedCount(wire, bucket);
  if (count === 0) return;
  const half = new Uint16Array(count);
  kernels.roundToBf16(half, values.subarray(0, count));
  kernels.fromBf16(values.subarray(0, count), half);
}

function roundedCount({ format, roundedLength }: Wire, bucket: Bucket): number {
  if (format === 'float32') return 0;
  return Math.max(0, Math.min(bucket.end, roundedLength) - bucket.start);
}

const bytesOf = (values: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

export const messageBytes = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, piece) => sum + piece.byteLength, 0);

/** A message in pieces; what travels as float32 is not copied and must stay as it is until the message is sent. */
export function encodePart(
  wire: Wire,
  bucket: Bucket,
  values: Float32Array,
  weightsSha256: string,
): readonly Uint8Array[] {
  const count = roundedCount(wire, bucket);
  const half = new Uint16Array(count);
  if (count > 0) kernels.roundToBf16(half, values.subarray(0, count));
  return [Buffer.from(weightsSha256, 'hex'), bytesOf(half), bytesOf(values.subarray(count))];
}

/** Room for one incoming message: a sink for the client, and what it holds once it has come. */
export interface Incoming {
  sink: Sink;
  /** Whether a message of the right length has come. */
  arrived(): boolean;
  readonly bytes: number;
  /** The sender's weights. */
  weightsSha256(): string;
  /** Turns what has come as bfloat16 into floats. */
  settle(): void;
}

/** @param values where the message's values are to go */
export function incoming(wire: Wire, bucket: Bucket, values: Float32Array): Incoming {
  const count = roundedCount(wire, bucket);
  const hash = Buffer.alloc(hashBytes);
  const half = new Uint16Array(count);
  const pieces = [hash, bytesOf(half), bytesOf(values.subarray(count))];
  let fits = false;
  return {
    sink(length) {
      fits = length === messageBytes(pieces);
      return fits ? pieces : undefined;
    },
    bytes: messageBytes(pieces),
    arrived: () => fits,
    weightsSha256: () => hash.toString('hex'),
    settle() {
      if (count > 0) kernels.fromBf16(values.subarray(0, count), half);
    },
  };
}
