import { SafetensorsError } from './error.js';
import { byteLengthOf, isDtype, typedView, type NamedTensor } from './tensor.js';

/** A header above this is refused, as the format's own implementation does. */
export const maxHeaderBytes = 100_000_000;

export interface DecodedSafetensors {
  /** In the file's order. */
  tensors: Map<string, NamedTensor>;
  metadata: Record<string, string>;
}

/**
 * Reads one safetensors file; tensors are views into `bytes` where they are aligned.
 *
 * Every offset is checked: the tensors must cover the data without gap, overlap or remainder.
 *
 * @throws SafetensorsError for anything that is not a whole, sound file
 */
export function decodeSafetensors(bytes: Uint8Array): DecodedSafetensors {
  const headerBytes = headerLength(bytes);
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes));
  const data = bytes.subarray(8 + headerBytes);
  const metadata = readMetadata(header['__metadata__']);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(name, value))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  assertCovered(entries, data.length);
  const tensors = new Map<string, NamedTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { name, dtype, shape, data: typedView(dtype, data.subarray(begin, end)) });
  }
  return { tensors, metadata };
}

type Entry = Omit<NamedTensor, 'data'> & { begin: number; end: number };

function headerLength(bytes: Uint8Array): number {
  if (bytes.length < 8) throw new SafetensorsError(`A file of ${String(bytes.length)} bytes has no header.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    throw new SafetensorsError(`The header claims ${String(length)} bytes.`);
  if (length > BigInt(bytes.length - 8)) {
    throw new SafetensorsError(`The header claims ${String(length)} bytes, the file ends before.`);
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new SafetensorsError('The header is no JSON.', { cause: error });
  }
  if (!isRecord(header)) throw new SafetensorsError('The header is no JSON object.');
  return header;
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new SafetensorsError('The metadata is no object.');
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new SafetensorsError(`The metadata of ${key} is no text.`);
    metadata[key] = text;
  }
  return metadata;
}

function readEntry(name: string, value: unknown): Entry {
  if (!isRecord(value)) throw new SafetensorsError(`Tensor ${name} is no object.`);
  const { dtype, shape } = value;
  const [begin, end, ...rest] = numbersOf(name, value['data_offsets']);
  if (!isDtype(dtype)) throw new SafetensorsError(`Tensor ${name} has the unknown type ${String(dtype)}.`);
  if (begin === undefined || end === undefined || rest.length > 0 || end < begin) {
    throw new SafetensorsError(`Tensor ${name} has no sound offsets.`);
  }
  const extents = numbersOf(name, shape);
  if (end - begin !== byteLengthOf(name, dtype, extents)) {
    throw new SafetensorsError(`Tensor ${name} does not fill its offsets.`);
  }
  return { name, dtype, shape: extents, begin, end };
}

function numbersOf(name: string, value: unknown): number[] {
  if (!Array.isArray(value)) throw new SafetensorsError(`Tensor ${name} lacks its shape or offsets.`);
  return value.map((item: unknown) => {
    if (typeof item === 'number' && Number.isSafeInteger(item) && item >= 0) return item;
    throw new SafetensorsError(`Tensor ${name} has ${String(item)} in its shape or offsets.`);
  });
}

function assertCovered(sorted: readonly Entry[], dataBytes: number): void {
  let position = 0;
  for (const { name, begin, end } of sorted) {
    if (begin !== position) throw new SafetensorsError(`Tensor ${name} leaves a gap or an overlap.`);
    position = end;
  }
  if (position !== dataBytes) {
    throw new SafetensorsError(
      `The tensors take ${String(position)} bytes, the file has ${String(dataBytes)}.`,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
