import { Failure } from '@lvnet/core';
import { canonicalGrid, gatherSlice, type CanonicalGrid } from './canonical-grid.js';
import type { CaseFiles } from './case-files.js';
import { contentHashOf } from './content-hash.js';
import type { Geometry } from './geometry.js';
import { checkGeometry, checkPair, liverRange, normaliseLabels } from './labels.js';
import { readLabelMap, readNifti } from './nifti/read.js';
import { encodeRuns, withSpacing, type CaseTransform, type PreparedCase } from './prepared.js';
import { sliceResampler } from './resample.js';

/** A case to prepare; without a label it can only be predicted. */
export type CaseSource = Pick<CaseFiles, 'id' | 'volume' | 'label'>;

/**
 * Reads a case and prepares it: canonical orientation, HU window, in-plane resampling, mean 0 and
 * variance 1 (paper, section 3.1). Computes for as long as it takes: prepareCaseInThread keeps the
 * caller responsive.
 *
 * @throws Failure('NIFTI_INVALID' | 'VOLUME_INVALID' | 'VOLUME_SHAPE_MISMATCH' | 'ARGUMENT_INVALID' | 'FILE_NOT_FOUND')
 */
export async function prepareCase(files: CaseSource, transform: CaseTransform): Promise<PreparedCase> {
  assertTransform(transform);
  const volume = await readNifti(files.volume);
  const labels = files.label === undefined ? undefined : await readLabelMap(files.label);
  const pairWarnings =
    labels === undefined ? [] : checkPair({ volume: files.volume, label: files.label ?? '' }, volume, labels);
  const contentSha256 = contentHashOf(volume, volume.voxels, labels?.labels);
  const labelWarnings = labels === undefined ? [] : normaliseLabels(files.label ?? '', labels.labels);
  const { shape, spacingMm, affine, orientation, voxels } = volume;
  const prepared = prepareVoxels(
    { shape, spacingMm, affine, orientation },
    voxels,
    labels?.labels,
    transform,
  );
  return {
    ...prepared,
    case: files.id,
    contentSha256,
    warnings: [...pairWarnings, ...labelWarnings, ...prepared.warnings],
  };
}

/** The same on voxels in memory (x fastest); pure. */
export function prepareVoxels(
  geometry: Geometry,
  voxels: Float32Array,
  labels: Uint8Array | undefined,
  transform: CaseTransform,
): Omit<PreparedCase, 'case' | 'contentSha256'> {
  const { spacingOverrideMm, rows, columns } = transform;
  const source = spacingOverrideMm === undefined ? geometry : withSpacing(geometry, spacingOverrideMm);
  const grid = canonicalGrid(source);
  const image = resampleImage(grid, voxels, transform);
  const intensity = normalise(image);
  const label = resampleLabel(grid, labels, transform);
  const warnings = checkGeometry(source);
  if (intensity.standardDeviationHu === 0) warnings.push('The volume is constant within the window.');
  return {
    transform,
    depth: grid.depth,
    rows,
    columns,
    image,
    label,
    labelled: labels !== undefined,
    intensity,
    liver: liverRange(label, rows * columns),
    source,
    sourceLabelRuns: labels === undefined ? new Uint32Array(0) : encodeRuns(labels),
    warnings,
  };
}

function assertTransform({ windowHu, rows, columns, spacingOverrideMm }: CaseTransform): void {
  const [low, high] = windowHu;
  const bad =
    !(low < high) || !Number.isFinite(high - low)
      ? `The window ${String(low)}..${String(high)} HU is empty.`
      : !isSize(rows) || !isSize(columns)
        ? `Slices cannot be resampled to ${String(rows)} x ${String(columns)}.`
        : spacingOverrideMm?.some((size) => !(size > 0 && Number.isFinite(size))) === true
          ? `The spacing ${spacingOverrideMm.join(' x ')} mm is not positive.`
          : undefined;
  if (bad !== undefined) {
    const hint = 'Check data.windowHu, data.patch and the spacing override.';
    throw new Failure('ARGUMENT_INVALID', { windowHu, rows, columns }, { message: bad, hint });
  }
}

const isSize = (value: number) => Number.isInteger(value) && value >= 1 && value <= 4096;

function resampleImage(grid: CanonicalGrid, voxels: Float32Array, transform: CaseTransform): Float32Array {
  const [low, high] = transform.windowHu;
  const area = transform.rows * transform.columns;
  const image = new Float32Array(grid.depth * area);
  const slice = new Float64Array(grid.rows * grid.columns);
  const resample = sliceResampler(grid, transform);
  for (let k = 0; k < grid.depth; k++) {
    gatherSlice(grid, k, voxels, slice);
    for (let i = 0; i < slice.length; i++) slice[i] = Math.min(high, Math.max(low, slice[i] ?? 0));
    image.set(resample(slice), k * area);
  }
  return image;
}

/** In place; sums in float64 in a fixed order. A constant image becomes all 0. */
function normalise(image: Float32Array): PreparedCase['intensity'] {
  let sum = 0;
  for (let i = 0; i < image.length; i++) sum += image[i] ?? 0;
  const meanHu = sum / image.length;
  let squares = 0;
  for (let i = 0; i < image.length; i++) squares += ((image[i] ?? 0) - meanHu) ** 2;
  const deviation = Math.sqrt(squares / image.length);
  // Rounding of the mean alone leaves a trace in a constant image; it is no signal.
  const standardDeviationHu = deviation < 1e-6 ? 0 : deviation;
  for (let i = 0; i < image.length; i++) {
    image[i] = standardDeviationHu === 0 ? 0 : ((image[i] ?? 0) - meanHu) / standardDeviationHu;
  }
  return { meanHu, standardDeviationHu };
}

/** A pixel is liver where at least half of it is (labels 1 and 2 together), and then the more frequent of both. */
function resampleLabel(
  grid: CanonicalGrid,
  labels: Uint8Array | undefined,
  transform: CaseTransform,
): Uint8Array {
  const area = transform.rows * transform.columns;
  const result = new Uint8Array(grid.depth * area);
  if (labels === undefined) return result;
  const slice = new Float64Array(grid.rows * grid.columns);
  const indicator = new Float64Array(slice.length);
  const resample = sliceResampler(grid, transform);
  for (let k = 0; k < grid.depth; k++) {
    gatherSlice(grid, k, labels, slice);
    if (slice.every((value) => value === 0)) continue;
    const share = (atLeast: number) => {
      for (let i = 0; i < slice.length; i++) indicator[i] = (slice[i] ?? 0) >= atLeast ? 1 : 0;
      return resample(indicator);
    };
    const foreground = Float64Array.from(share(1));
    const tumour = share(2);
    for (let i = 0; i < area; i++) {
      const part = foreground[i] ?? 0;
      if (part >= 0.5) result[k * area + i] = 2 * (tumour[i] ?? 0) > part ? 2 : 1;
    }
  }
  return result;
}
