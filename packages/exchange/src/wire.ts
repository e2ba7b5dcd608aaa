import { loadKernels, referenceKernels } from '@lvnet/kernels';
import type { Bucket } from './buckets.js';

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
  return format === 'float32' ? 0 : Math.max(0, Math.min(bucket.end, roundedLength) - bucket.start);
}

export function encodePart(
  wire: Wire,
  bucket: Bucket,
  values: Float32Array,
  weightsSha256: string,
): Uint8Array {
  const count = roundedCount(wire, bucket);
  const rest = values.subarray(count);
  const message = new Uint8Array(hashBytes + count * 2 + rest.byteLength);
  message.set(Buffer.from(weightsSha256, 'hex'));
  if (count > 0) {
    const half = new Uint16Array(count);
    kernels.roundToBf16(half, values.subarray(0, count));
    message.set(new Uint8Array(half.buffer), hashBytes);
  }
  message.set(new Uint8Array(rest.buffer, rest.byteOffset, rest.byteLength), hashBytes + count * 2);
  return message;
}

/** undefined where the length is not the bucket's. */
export function decodePart(
  wire: Wire,
  bucket: Bucket,
  message: Buffer,
): { weightsSha256: string; values: Float32Array } | undefined {
  const length = bucket.end - bucket.start;
  const count = roundedCount(wire, bucket);
  if (message.length !== hashBytes + count * 2 + (length - count) * 4) return undefined;
  const values = new Float32Array(length);
  if (count > 0) {
    const half = new Uint16Array(count);
    new Uint8Array(half.buffer).set(message.subarray(hashBytes, hashBytes + count * 2));
    kernels.fromBf16(values.subarray(0, count), half);
  }
  new Uint8Array(values.buffer).set(message.subarray(hashBytes + count * 2), count * 4);
  return { weightsSha256: message.toString('hex', 0, hashBytes), values };
}
