import { counterRandom, Failure } from '@lvnet/core';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { canonicalGrid } from '../canonical-grid.js';
import type { Triple } from '../geometry.js';
import { writeNifti } from '../nifti/write.js';
import { drawAnatomy } from './anatomy.js';
import { renderPhantom } from './render.js';

/** A synthetic case as a scanner would have stored it; x fastest in its own orientation. */
export interface Phantom {
  hu: Int16Array;
  /** 0 background, 1 liver, 2 tumour. */
  label: Uint8Array;
  /** [nx, ny, nz]. */
  shape: Triple;
  spacingMm: Triple;
  affine: number[];
  orientation: string;
}

const orientations = ['LAS', 'LPS', 'RAS'] as const;

/**
 * The phantom patient number `index` of a seed: the same bytes on every machine.
 *
 * @param shape [slices, rows, columns]
 */
export function makePhantom(seed: number, index: number, shape: readonly [number, number, number]): Phantom {
  const [depth, rows, columns] = shape;
  const random = counterRandom('phantom scanner', seed, index);
  const orientation = orientations[random.below(orientations.length)] ?? 'LAS';
  const inPlaneMm = sixteenths((330 + 80 * random.next()) / columns);
  const spacingMm: Triple = [inPlaneMm, inPlaneMm, sixteenths(1 + 4 * random.next())];
  const rendered = renderPhantom(drawAnatomy(seed, index), shape, random.uint32At(1000));
  const grid = canonicalGrid({ shape: [columns, rows, depth], orientation });
  const hu = new Int16Array(rendered.hu.length);
  const label = new Uint8Array(hu.length);
  let at = 0;
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++) {
        const index = grid.base + k * grid.sliceStride + j * grid.rowStride + i * grid.columnStride;
        hu[index] = rendered.hu[at] ?? 0;
        label[index] = rendered.label[at] ?? 0;
        at++;
      }
    }
  }
  const affine = affineFor(orientation, [columns, rows, depth], spacingMm);
  return { hu, label, shape: [columns, rows, depth], spacingMm, affine, orientation };
}

/** Exact in float32, so that a file holds just these. */
const sixteenths = (value: number) => Math.max(1, Math.round(value * 16)) / 16;

/** The middle of the scan lies at the origin. */
function affineFor(orientation: string, shape: Triple, spacingMm: Triple): number[] {
  const affine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  spacingMm.forEach((size, axis) => {
    const step = 'LPI'.includes(orientation[axis] ?? '') ? -size : size;
    affine[axis * 5] = step;
    affine[axis * 4 + 3] = (-step * ((shape[axis] ?? 1) - 1)) / 2;
  });
  return affine;
}

export interface PhantomOptions {
  /** Folder; made when absent. */
  out: string;
  cases: number;
  /** [slices, rows, columns]. */
  shape: readonly [number, number, number];
  seed: number;
  /** Stops between two cases. */
  signal?: AbortSignal;
  onWritten?: (id: string) => void;
}

/**
 * Writes phantom patients in the LiTS layout: volume-N.nii.gz and segmentation-N.nii.gz, N from 0.
 *
 * @returns the files of each case
 * @throws Failure('ARGUMENT_INVALID' | 'DISK_FULL' | 'CANCELLED')
 */
export async function writePhantomDataset(
  o: PhantomOptions,
): Promise<{ id: string; volume: string; label: string }[]> {
  assertOptions(o);
  const written: { id: string; volume: string; label: string }[] = [];
  for (let index = 0; index < o.cases; index++) {
    await setImmediate(); // a case takes long; signals get their turn here
    if (o.signal?.aborted === true) throw cancelled(index);
    const { hu, label, shape, affine } = makePhantom(o.seed, index, o.shape);
    const id = String(index);
    const files = {
      volume: join(o.out, `volume-${id}.nii.gz`),
      label: join(o.out, `segmentation-${id}.nii.gz`),
    };
    const description = `lvnet phantom ${String(o.seed)}/${id}`;
    await writeNifti(files.volume, { voxels: hu, shape, affine, datatype: 'int16', description });
    await writeNifti(files.label, { voxels: label, shape, affine, datatype: 'uint8', description });
    written.push({ id, ...files });
    o.onWritten?.(id);
  }
  return written;
}

const cancelled = (written: number) =>
  new Failure('CANCELLED', { written }, { message: `Stopped after ${String(written)} phantoms.` });

const [minExtent, maxExtent] = [8, 1024];

function assertOptions({ cases, shape, seed }: PhantomOptions): void {
  const sound =
    Number.isInteger(cases) &&
    cases >= 1 &&
    Number.isSafeInteger(seed) &&
    shape.every((extent) => Number.isInteger(extent) && extent >= minExtent && extent <= maxExtent);
  if (sound) return;
  throw new Failure(
    'ARGUMENT_INVALID',
    { cases, shape, seed },
    {
      message: `${String(cases)} phantoms of ${shape.join('x')} with seed ${String(seed)} cannot be made.`,
      hint: `Give at least one case, extents from ${String(minExtent)} to ${String(maxExtent)} and a whole number as the seed.`,
    },
  );
}
