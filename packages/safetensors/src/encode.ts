import { SafetensorsError } from './error.js';
import { byteLengthOf, bytesOf, isDtype, type NamedTensor } from './tensor.js';

/** Where a tensor lies in the part of the file behind the header. */
interface HeaderEntry {
  dtype: string;
  shape: readonly number[];
  data_offsets: [number, number];
}

/**
 * One safetensors file: 8 bytes of header length, the JSON header padded with spaces to a multiple of
 * 8, the tensors in the order given. Metadata keys are sorted, so equal input gives equal bytes.
 *
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @throws SafetensorsError for a repeated name, or data whose size does not fit type and shape
 */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header = encodeHeader(tensors, metadata);
  const size = tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 8 + header.length);
  const file = new Uint8Array(size);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let offset = 8 + header.length;
  for (const tensor of tensors) {
    file.set(bytesOf(tensor), offset);
    offset += tensor.data.byteLength;
  }
  return file;
}

function encodeHeader(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  const members: string[] = [];
  if (metadata !== undefined) members.push(member('__metadata__', sortedByKey(metadata)));
  const seen = new Set<string>(['__metadata__']);
  let offset = 0;
  for (const tensor of tensors) {
    assertSound(tensor, seen);
    const end = offset + tensor.data.byteLength;
    const entry: HeaderEntry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    members.push(member(tensor.name, entry));
    offset = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}

/** Written by hand, since objects put whole-number keys first whatever their order. */
function member(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

function sortedByKey(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function assertSound(tensor: NamedTensor, seen: Set<string>): void {
  const { name, dtype, shape, data } = tensor;
  if (seen.has(name)) throw new SafetensorsError(`The tensor name ${name} is taken.`);
  seen.add(name);
  if (!isDtype(dtype)) throw new SafetensorsError(`Tensor ${name} has the unknown type ${String(dtype)}.`);
  const expected = byteLengthOf(name, dtype, shape);
  if (data.byteLength !== expected) {
    throw new SafetensorsError(
      `Tensor ${name} holds ${String(data.byteLength)} bytes, ${dtype} [${shape.join(',')}] takes ${String(expected)}.`,
    );
  }
}
