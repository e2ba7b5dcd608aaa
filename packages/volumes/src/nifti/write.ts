import { Failure, writeFileAtomic } from '@lvnet/core';
import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';
import { orientationOf, spacingOf, voxelCount, type Triple } from '../geometry.js';
import { qformOf } from './affine.js';
import { codeOfDatatype, datatypes, type Datatype } from './datatype.js';
import { headerBytes } from './header.js';

const gzip = promisify(gzipCallback);

export interface NiftiContent {
  /** x fastest. */
  voxels: Uint8Array | Int16Array | Float32Array;
  shape: Readonly<Triple>;
  /** 4 x 4, row-major, voxel index to millimetres. */
  affine: readonly number[];
  /** Must be the array's own type; it is there to be read in the call. */
  datatype?: Extract<Datatype, 'uint8' | 'int16' | 'float32'>;
  /** At most 79 bytes are kept. */
  description?: string;
}

/**
 * Writes a NIfTI-1 file, compressed when the name ends in .gz, so that a reader sees all of it or
 * nothing. The same content gives the same bytes. sform and qform are both set (a sheared affine,
 * which no qform can say, has the sform alone).
 *
 * @throws Failure('SHAPE_MISMATCH' | 'ARGUMENT_INVALID' | 'DISK_FULL')
 */
export async function writeNifti(path: string, content: NiftiContent): Promise<void> {
  const bytes = encodeNifti(content);
  await writeFileAtomic(path, path.endsWith('.gz') ? await gzip(bytes, { level: 6 }) : bytes);
}

/** The bytes of an uncompressed .nii file. */
export function encodeNifti(content: NiftiContent): Uint8Array {
  const { voxels, shape, datatype = typeOf(voxels) } = content;
  assertSound(content);
  const bytes = new Uint8Array(headerBytes + voxels.byteLength);
  const view = new DataView(bytes.buffer);
  const code = codeOfDatatype(datatype);
  view.setInt32(0, 348, true);
  [3, ...shape, 1, 1, 1, 1].forEach((extent, i) => {
    view.setInt16(40 + 2 * i, extent, true);
  });
  view.setInt16(70, code, true);
  view.setInt16(72, 8 * datatypes[code].bytes, true);
  view.setFloat32(108, headerBytes, true);
  view.setFloat32(112, 1, true);
  bytes[123] = 2; // millimetres
  const text = Buffer.from(content.description ?? '').subarray(0, 79);
  bytes.set(text, 148);
  writePlace(view, content.affine);
  bytes.set(Buffer.from('n+1\0'), 344);
  bytes.set(new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength), headerBytes);
  return bytes;
}

function writePlace(view: DataView, affine: readonly number[]): void {
  const spacing = spacingOf(affine);
  const qform = qformOf(affine, spacing);
  [qform?.handedness ?? 1, ...spacing, 1, 1, 1, 1].forEach((size, i) => {
    view.setFloat32(76 + 4 * i, size, true);
  });
  view.setInt16(252, qform === undefined ? 0 : 1, true);
  view.setInt16(254, 1, true);
  const origin = [3, 7, 11].map((i) => affine[i] ?? 0);
  [...(qform?.quaternion ?? [0, 0, 0]), ...origin].forEach((value, i) => {
    view.setFloat32(256 + 4 * i, value, true);
  });
  affine.slice(0, 12).forEach((value, i) => {
    view.setFloat32(280 + 4 * i, value, true);
  });
}

function assertSound({ voxels, shape, affine, datatype }: NiftiContent): void {
  if (voxels.length !== voxelCount(shape) || shape.some((n) => n < 1 || n > 32767)) {
    throw new Failure(
      'SHAPE_MISMATCH',
      { shape, voxels: voxels.length },
      { message: `${String(voxels.length)} voxels do not fill ${shape.join('x')}.` },
    );
  }
  const bad =
    affine.length !== 16 || orientationOf(affine) === undefined
      ? 'The affine is no map from voxels to millimetres.'
      : datatype !== undefined && datatype !== typeOf(voxels)
        ? `The voxels are ${typeOf(voxels)}, not ${datatype}.`
        : undefined;
  if (bad !== undefined) throw new Failure('ARGUMENT_INVALID', { affine, datatype }, { message: bad });
}

function typeOf(voxels: NiftiContent['voxels']): 'uint8' | 'int16' | 'float32' {
  if (voxels instanceof Uint8Array) return 'uint8';
  return voxels instanceof Int16Array ? 'int16' : 'float32';
}
