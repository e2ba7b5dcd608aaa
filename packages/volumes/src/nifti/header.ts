import { Failure } from '@lvnet/core';
import { orientationOf, spacingOf, type Geometry, type Triple } from '../geometry.js';
import { affineOf } from './affine.js';
import { datatypes, isDatatypeCode, type Datatype } from './datatype.js';

/** Bytes of the header and of the flag behind it that says whether extensions follow. */
export const headerBytes = 352;

export interface NiftiHeader extends Geometry {
  littleEndian: boolean;
  datatype: Datatype;
  bytesPerVoxel: number;
  /** Where the voxels begin in the (unpacked) file. */
  dataOffset: number;
  /** value = raw * slope + intercept; undefined where the file asks for no scaling. */
  scaling: { slope: number; intercept: number } | undefined;
}

/** One sentence for every file that is no readable NIfTI. */
export function invalidNifti(path: string, what: string, hint: string, cause?: unknown): Failure {
  return new Failure('NIFTI_INVALID', { path, what }, { message: `${path}: ${what}.`, hint, cause });
}

/**
 * The header of a NIfTI-1 file (https://nifti.nimh.nih.gov/nifti-1), all claims checked.
 *
 * @param bytes the first 352 bytes, or all when the file is shorter
 * @throws Failure('NIFTI_INVALID')
 */
export function parseHeader(path: string, bytes: Uint8Array): NiftiHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = byteOrderOf(path, bytes, view);
  const { shape, dataOffset } = {
    shape: shapeOf(path, view, littleEndian),
    dataOffset: offsetOf(path, view, littleEndian),
  };
  const code = view.getInt16(70, littleEndian);
  if (!isDatatypeCode(code)) {
    throw invalidNifti(
      path,
      `its voxel type ${String(code)} is none of one real number per voxel`,
      'Convert it to int16 or float32.',
    );
  }
  const affine = placeOf(path, view, littleEndian);
  return {
    littleEndian,
    shape,
    dataOffset,
    datatype: datatypes[code].name,
    bytesPerVoxel: datatypes[code].bytes,
    scaling: scalingOf(path, view, littleEndian),
    ...affine,
  };
}

function byteOrderOf(path: string, bytes: Uint8Array, view: DataView): boolean {
  const text = Buffer.from(bytes.subarray(0, 40)).toString('latin1');
  if (text.startsWith('version https://git-lfs')) {
    throw invalidNifti(path, 'it is a Git LFS pointer, not the file itself', 'Fetch it with git lfs pull.');
  }
  const notNifti = (what: string) =>
    invalidNifti(path, what, 'Give a .nii or .nii.gz file (NIfTI-1, single file).');
  if (bytes.length === 0) throw notNifti('it is empty');
  if (bytes.length < headerBytes)
    throw notNifti(`it ends after ${String(bytes.length)} bytes, inside the header`);
  const sizes = [view.getInt32(0, true), view.getInt32(0, false)];
  if (sizes.includes(540)) throw notNifti('it is NIfTI-2, which is not read yet');
  if (!sizes.includes(348)) throw notNifti('it is no NIfTI file (its first field is not 348)');
  const magic = Buffer.from(bytes.subarray(344, 348)).toString('latin1');
  if (magic === 'ni1\0') throw notNifti('its voxels lie in another file (.hdr/.img), which is not read yet');
  if (magic !== 'n+1\0') throw notNifti('it lacks the mark of a NIfTI-1 file');
  return sizes[0] === 348;
}

const maxVoxels = 2 ** 31;

function shapeOf(path: string, view: DataView, littleEndian: boolean): Triple {
  const dims = Array.from({ length: 8 }, (_, i) => view.getInt16(40 + 2 * i, littleEndian));
  const [rank = 0, ...extents] = dims;
  const bad = (what: string) => invalidNifti(path, what, 'Convert the volume anew from its source.');
  if (rank < 1 || rank > 7) throw bad(`it claims ${String(rank)} axes`);
  const used = extents.slice(0, rank);
  const wrong = used.find((extent) => extent < 1);
  if (wrong !== undefined) throw bad(`it claims ${String(wrong)} voxels along an axis`);
  if (used.slice(3).some((extent) => extent !== 1)) {
    throw invalidNifti(path, `it holds several volumes (${used.join('x')})`, 'Split it into single volumes.');
  }
  const [nx = 1, ny = 1, nz = 1] = used;
  if (nx * ny * nz > maxVoxels) throw bad(`it claims ${used.join('x')} voxels, more than can be held`);
  return [nx, ny, nz];
}

function offsetOf(path: string, view: DataView, littleEndian: boolean): number {
  const offset = view.getFloat32(108, littleEndian);
  if (offset === 0) return headerBytes;
  if (Number.isInteger(offset) && offset >= headerBytes && offset <= 2 ** 24) return offset;
  throw invalidNifti(
    path,
    `its voxels begin at ${String(offset)}`,
    'Convert the volume anew from its source.',
  );
}

function scalingOf(path: string, view: DataView, littleEndian: boolean): NiftiHeader['scaling'] {
  const slope = view.getFloat32(112, littleEndian);
  const intercept = view.getFloat32(116, littleEndian);
  if (slope === 0 || !Number.isFinite(slope)) return undefined;
  if (!Number.isFinite(intercept)) {
    throw invalidNifti(path, `its intercept is ${String(intercept)}`, 'Set scl_inter to a number.');
  }
  return slope === 1 && intercept === 0 ? undefined : { slope, intercept };
}

function placeOf(
  path: string,
  view: DataView,
  littleEndian: boolean,
): Pick<Geometry, 'affine' | 'spacingMm' | 'orientation'> {
  const floats = (at: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getFloat32(at + 4 * i, littleEndian));
  const affine = affineOf({
    pixdim: floats(76, 8),
    qformCode: view.getInt16(252, littleEndian),
    sformCode: view.getInt16(254, littleEndian),
    quaternion: floats(256, 6),
    sform: floats(280, 12),
  });
  const orientation = affine?.every(Number.isFinite) === true ? orientationOf(affine) : undefined;
  if (affine === undefined || orientation === undefined) {
    throw invalidNifti(
      path,
      'its sform or qform is no map from voxels to millimetres',
      'Set a valid sform, or set both codes to 0.',
    );
  }
  // Adding 0 turns -0 into 0.
  return { affine: affine.map((value) => value + 0), spacingMm: spacingOf(affine), orientation };
}
