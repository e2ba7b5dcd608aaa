import { Failure } from '@lvnet/core';
import { samePlace, type Geometry } from './geometry.js';
import type { LabelMap } from './nifti/read.js';

/** Classes of a case: background, liver, tumour. Liver in the metrics' sense is every label from 1 on. */
const labelClasses = 3;

/**
 * Brings a label map to the classes 0, 1, 2, in place where it must.
 *
 * @returns warnings about what was answered automatically
 * @throws Failure('VOLUME_INVALID') for other classes, with their values
 */
export function normaliseLabels(path: string, labels: Uint8Array): string[] {
  const present = new Uint32Array(256);
  for (let i = 0; i < labels.length; i++) {
    const value = labels[i] ?? 0;
    present[value] = (present[value] ?? 0) + 1;
  }
  const values = [...present.keys()].filter((value) => (present[value] ?? 0) > 0);
  if (values.every((value) => value < labelClasses)) {
    return values.some((value) => value > 0) ? [] : ['The segmentation holds no liver.'];
  }
  if (values.every((value) => value === 0 || value === 255)) {
    for (let i = 0; i < labels.length; i++) if (labels[i] === 255) labels[i] = 1;
    return ['The segmentation holds 0 and 255: 255 was taken as liver.'];
  }
  throw new Failure(
    'VOLUME_INVALID',
    { path, values },
    {
      message: `${path} holds the labels ${values.join(', ')}.`,
      hint: 'Labels are 0 (background), 1 (liver) and 2 (tumour).',
    },
  );
}

/** Corners of volume and label may lie apart by this part of the finest spacing. */
const placeTolerance = 0.1;

/**
 * Checks that a label map belongs to its volume.
 *
 * @returns warnings; the volume's geometry counts
 * @throws Failure('VOLUME_SHAPE_MISMATCH')
 */
export function checkPair(
  files: { volume: string; label: string },
  volume: Geometry,
  label: LabelMap,
): string[] {
  if (volume.shape.some((extent, axis) => extent !== label.shape[axis])) {
    throw new Failure(
      'VOLUME_SHAPE_MISMATCH',
      { ...files, expected: volume.shape, found: label.shape },
      {
        message: `${files.label} is ${label.shape.join('x')}, its volume is ${volume.shape.join('x')}.`,
        hint: 'Check that both files belong to the same case.',
      },
    );
  }
  const toleranceMm = placeTolerance * Math.min(...volume.spacingMm);
  if (samePlace(volume.affine, label.affine, volume.shape, toleranceMm)) return [];
  return [
    "The segmentation's header says another place or spacing than its volume's: the volume's was taken.",
  ];
}

/** Warnings about a volume's own header. */
export function checkGeometry({ shape, spacingMm }: Geometry): string[] {
  const unit = spacingMm.every((size) => size === 1);
  if (!unit || shape[0] !== 512 || shape[1] !== 512) return [];
  return [
    'The volume says a spacing of exactly 1 x 1 x 1 mm, which for 512 x 512 pixels is a lost header: distances in mm are wrong unless the spacing is overridden.',
  ];
}

/** First and last slice (of `area` voxels each) with a label from 1 on, or null. */
export function liverRange(labels: Uint8Array, area: number): [number, number] | null {
  let first = 0;
  while (first < labels.length && labels[first] === 0) first++;
  if (first === labels.length) return null;
  let last = labels.length - 1;
  while (labels[last] === 0) last--;
  return [Math.floor(first / area), Math.floor(last / area)];
}
