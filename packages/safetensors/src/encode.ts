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
  const pieces = safetensorsPieces(tensors, metadata);
  const file = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let offset = 0;
  for (const piece of pieces) {
    file.set(piece, offset);
    offset += piece.byteLength;
  }
  return file;
}

/** The same file in pieces: the tensors' own memory behind the header. */
export function safetensorsPieces(
  tensors: readonly NamedTensor[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array[] {
  const header = encodeHeader(tensors, metadata);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  return [length, header, ...tensors.map(bytesOf)];
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
