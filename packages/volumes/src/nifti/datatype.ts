/** Voxel types of NIfTI-1 that hold one real number each, by their code in the header. */
export const datatypes = {
  2: { name: 'uint8', bytes: 1 },
  4: { name: 'int16', bytes: 2 },
  8: { name: 'int32', bytes: 4 },
  16: { name: 'float32', bytes: 4 },
  64: { name: 'float64', bytes: 8 },
  256: { name: 'int8', bytes: 1 },
  512: { name: 'uint16', bytes: 2 },
  768: { name: 'uint32', bytes: 4 },
  1024: { name: 'int64', bytes: 8 },
  1280: { name: 'uint64', bytes: 8 },
} as const;

export type DatatypeCode = keyof typeof datatypes;
export type Datatype = (typeof datatypes)[DatatypeCode]['name'];

export type RawVoxels =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export function isDatatypeCode(code: number): code is DatatypeCode {
  return Object.hasOwn(datatypes, code);
}

export function codeOfDatatype(name: Datatype): DatatypeCode {
  const code = Object.keys(datatypes)
    .map(Number)
    .filter(isDatatypeCode)
    .find((candidate) => datatypes[candidate].name === name);
  return code ?? 16;
}

/** A view of native-endian bytes as the type's own array; `bytes` starts on a multiple of 8. */
export function viewVoxels(name: Datatype, bytes: Uint8Array, count: number): RawVoxels {
  const { buffer, byteOffset } = bytes;
  switch (name) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, count);
    case 'int8':
      return new Int8Array(buffer, byteOffset, count);
    case 'int16':
      return new Int16Array(buffer, byteOffset, count);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, count);
    case 'int32':
      return new Int32Array(buffer, byteOffset, count);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, count);
    case 'float32':
      return new Float32Array(buffer, byteOffset, count);
    case 'float64':
      return new Float64Array(buffer, byteOffset, count);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, count);
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, count);
  }
}
