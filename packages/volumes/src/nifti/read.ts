import { Failure } from '@lvnet/core';
import { voxelCount, type Geometry, type Volume } from '../geometry.js';
import type { RawVoxels } from './datatype.js';
import type { NiftiHeader } from './header.js';
import { streamNifti } from './stream.js';

export interface ReadOptions {
  /** Put in the place of voxels that are NaN or infinite; without it they are refused. */
  replaceNonFinite?: number;
}

/**
 * Reads a NIfTI-1 volume, .nii or .nii.gz, either byte order, int8 to float64.
 *
 * @throws Failure('NIFTI_INVALID') for anything that is no sound NIfTI-1 volume
 * @throws Failure('VOLUME_INVALID') for voxels that are no numbers, with their count
 */
export async function readNifti(path: string, o: ReadOptions = {}): Promise<Volume> {
  let voxels = new Float32Array(0);
  const header = await streamNifti(path, ({ shape, scaling }) => {
    voxels = new Float32Array(voxelCount(shape));
    return {
      accept: (raw, at) => {
        scaleInto(voxels, raw, at, scaling);
      },
    };
  });
  treatNonFinite(path, voxels, o.replaceNonFinite);
  return { ...geometryOf(header), datatype: header.datatype, voxels };
}

/** A label map in memory: whole numbers from 0 to 255. */
export interface LabelMap extends Geometry {
  labels: Uint8Array;
}

/**
 * Reads a label map at one byte per voxel.
 *
 * @throws Failure('NIFTI_INVALID')
 * @throws Failure('VOLUME_INVALID') for a value that is no whole number from 0 to 255
 */
export async function readLabelMap(path: string): Promise<LabelMap> {
  let labels = new Uint8Array(0);
  const header = await streamNifti(path, ({ shape, scaling }) => {
    labels = new Uint8Array(voxelCount(shape));
    return {
      accept: (raw, at) => {
        labelsInto(path, labels, raw, at, scaling);
      },
    };
  });
  return { ...geometryOf(header), labels };
}

function geometryOf({ shape, spacingMm, affine, orientation }: NiftiHeader): Geometry {
  return { shape, spacingMm, affine, orientation };
}

function scaleInto(target: Float32Array, raw: RawVoxels, at: number, scaling: NiftiHeader['scaling']): void {
  if (raw instanceof BigInt64Array || raw instanceof BigUint64Array) {
    scaleInto(target, Float64Array.from(raw, Number), at, scaling);
  } else if (scaling === undefined) {
    target.set(raw, at);
  } else {
    const { slope, intercept } = scaling;
    for (let i = 0; i < raw.length; i++) target[at + i] = (raw[i] ?? 0) * slope + intercept;
  }
}

function labelsInto(
  path: string,
  target: Uint8Array,
  raw: RawVoxels,
  at: number,
  scaling: NiftiHeader['scaling'],
): void {
  if (raw instanceof Uint8Array && scaling === undefined) {
    target.set(raw, at);
    return;
  }
  const { slope, intercept } = scaling ?? { slope: 1, intercept: 0 };
  for (let i = 0; i < raw.length; i++) {
    const value = Number(raw[i]) * slope + intercept;
    if (!Number.isInteger(value) || value < 0 || value > 255) throw notALabel(path, value);
    target[at + i] = value;
  }
}

function notALabel(path: string, value: number): Failure {
  return new Failure(
    'VOLUME_INVALID',
    { path, value },
    {
      message: `${path} holds the value ${String(value)}, which is no label.`,
      hint: 'Labels are 0 (background), 1 (liver) and 2 (tumour); check that this is the segmentation.',
    },
  );
}

function treatNonFinite(path: string, voxels: Float32Array, replacement: number | undefined): void {
  let count = 0;
  for (let i = 0; i < voxels.length; i++) {
    if (Number.isFinite(voxels[i])) continue;
    count++;
    if (replacement !== undefined) voxels[i] = replacement;
  }
  if (count === 0 || replacement !== undefined) return;
  throw new Failure(
    'VOLUME_INVALID',
    { path, count },
    {
      message: `${path} holds ${String(count)} voxels that are NaN or infinite.`,
      hint: 'Replace them, for instance by -1024 (air).',
    },
  );
}
