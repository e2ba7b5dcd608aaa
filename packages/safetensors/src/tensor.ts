import { SafetensorsError } from './error.js';

/** The types of the format that lvnet writes and reads. */
export type Dtype = 'F32' | 'F64' | 'I32' | 'I16' | 'U8' | 'I64' | 'U32';

export type TensorData =
  Uint8Array | Float32Array | Int32Array | Int16Array | Float64Array | Uint32Array | BigInt64Array;

/** A tensor with its name; `data` is row-major, either of the type's own array or its raw little-endian bytes. */
export interface NamedTensor {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  data: TensorData;
}

const bytesPerElement: Readonly<Record<Dtype, number>> = {
  F32: 4,
  F64: 8,
  I32: 4,
  I16: 2,
  U8: 1,
  I64: 8,
  U32: 4,
};

export function isDtype(text: unknown): text is Dtype {
  return typeof text === 'string' && Object.hasOwn(bytesPerElement, text);
}

/** Bytes that a tensor of this type and shape takes; throws SafetensorsError where they are no safe integer. */
export function byteLengthOf(name: string, dtype: Dtype, shape: readonly number[]): number {
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new SafetensorsError(`Tensor ${name} has the extent ${String(extent)}.`);
    }
    count *= extent;
  }
  const length = count * bytesPerElement[dtype];
  if (!Number.isSafeInteger(length)) throw new SafetensorsError(`Tensor ${name} is too large.`);
  return length;
}

/** The tensor's bytes as they stand in the file; a view, not a copy. */
export function bytesOf(tensor: NamedTensor): Uint8Array {
  const { data } = tensor;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A typed array over raw bytes: a view where the bytes are aligned, else a copy. */
export function typedView(dtype: Dtype, bytes: Uint8Array): TensorData {
  // Not slice(): of a Buffer, which is a Uint8Array too, it is a view.
  const aligned = bytes.byteOffset % bytesPerElement[dtype] === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset } = aligned;
  const count = aligned.byteLength / bytesPerElement[dtype];
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, count);
    case 'F64':
      return new Float64Array(buffer, byteOffset, count);
    case 'I32':
      return new Int32Array(buffer, byteOffset, count);
    case 'I16':
      return new Int16Array(buffer, byteOffset, count);
    case 'U8':
      return aligned;
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, count);
    case 'U32':
      return new Uint32Array(buffer, byteOffset, count);
  }
}

/**
 * The tensor's values as float32, a view where it already holds them.
 *
 * @throws SafetensorsError for a tensor of another type
 */
export function float32Of(tensor: NamedTensor): Float32Array {
  if (tensor.dtype !== 'F32') {
    throw new SafetensorsError(`Tensor ${tensor.name} is ${tensor.dtype}, not F32.`);
  }
  if (tensor.data instanceof Float32Array) return tensor.data;
  return typedView('F32', bytesOf(tensor)) as Float32Array;
}
