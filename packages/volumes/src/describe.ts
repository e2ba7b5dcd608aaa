import { sha256Hex } from '@lvnet/core';
import type { Geometry } from './geometry.js';
import type { Datatype } from './nifti/datatype.js';
import { readNifti } from './nifti/read.js';

/** What `lvnet volume --json` prints. */
export interface VolumeDescription extends Geometry {
  datatype: Datatype;
  min: number;
  max: number;
  /** Of the voxels as float32, little-endian, x fastest. */
  sha256: string;
}

/**
 * Reads a volume and says what it is.
 *
 * @throws Failure('NIFTI_INVALID' | 'VOLUME_INVALID' | 'FILE_NOT_FOUND')
 */
export async function describeVolume(path: string): Promise<VolumeDescription> {
  const { shape, spacingMm, affine, orientation, datatype, voxels } = await readNifti(path);
  const { min, max } = rangeOf(voxels);
  return { shape, spacingMm, affine, orientation, datatype, min, max, sha256: sha256Hex(bytesOf(voxels)) };
}

export function rangeOf(voxels: ArrayLike<number>): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i] ?? 0;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** The bytes of an array as they lie in memory, no copy. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
