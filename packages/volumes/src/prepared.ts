import { canonicalJson, sha256Hex } from '@lvnet/core';
import type { Geometry, Triple } from './geometry.js';

/** What is done to a case before training; part of a prepared case's name. */
export interface CaseTransform {
  version: 1;
  /** Intensities are cut off at these. */
  windowHu: readonly [number, number];
  /** In-plane size after resampling; the number of slices stays. */
  rows: number;
  columns: number;
  /** Mean 0 and variance 1 over the whole windowed and resampled volume. */
  normalise: 'volume';
  /** Replaces a spacing that the header lost; along the file's x, y, z. */
  spacingOverrideMm?: readonly [number, number, number];
}

/** The transform that an experiment's data section asks for; patch = [slices, rows, columns]. */
export function transformFor(data: {
  windowHu: readonly [number, number];
  patch: readonly [number, number, number];
}): CaseTransform {
  const { windowHu, patch } = data;
  return { version: 1, windowHu, rows: patch[1], columns: patch[2], normalise: 'volume' };
}

/** A case ready for the network, with all that leads back to its source. Axes are canonical (LPS), columns fastest. */
export interface PreparedCase {
  case: string;
  /** Of the source's voxels, labels and geometry. */
  contentSha256: string;
  transform: CaseTransform;
  depth: number;
  rows: number;
  columns: number;
  /** [depth, rows, columns], mean 0, variance 1. */
  image: Float32Array;
  /** [depth, rows, columns]: 0 background, 1 liver, 2 tumour. */
  label: Uint8Array;
  /** False for a scan without segmentation, whose label is all 0. */
  labelled: boolean;
  /** HU = image * standardDeviation + mean, within the window. */
  intensity: { meanHu: number; standardDeviationHu: number };
  /** First and last slice with liver, or null. */
  liver: [number, number] | null;
  /** The file's own grid; spacing as overridden. */
  source: Geometry;
  /** The file's label as pairs (value, length of the run), x fastest; empty when not labelled. */
  sourceLabelRuns: Uint32Array;
  warnings: string[];
}

/** The name under which a case so prepared is stored: `cases/<name>.safetensors`. */
export function preparedName(contentSha256: string, transform: CaseTransform): string {
  return sha256Hex(canonicalJson({ contentSha256, transform }));
}

/** Pairs (value, length) of equal neighbours. */
export function encodeRuns(labels: Uint8Array): Uint32Array {
  const runs: number[] = [];
  let start = 0;
  for (let i = 1; i <= labels.length; i++) {
    if (i < labels.length && labels[i] === labels[start]) continue;
    runs.push(labels[start] ?? 0, i - start);
    start = i;
  }
  return Uint32Array.from(runs);
}

/** The reverse of encodeRuns; undefined when the runs do not fill `length`. */
export function decodeRuns(runs: Uint32Array, length: number): Uint8Array | undefined {
  const labels = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    const end = at + (runs[i + 1] ?? 0);
    if (end > length) return undefined;
    labels.fill(runs[i] ?? 0, at, end);
    at = end;
  }
  return at === length ? labels : undefined;
}

export function withSpacing(geometry: Geometry, spacingMm: readonly [number, number, number]): Geometry {
  const factors = geometry.spacingMm.map((old, axis) => (spacingMm[axis] ?? old) / old);
  const affine = geometry.affine.map((value, i) =>
    i % 4 < 3 && i < 12 ? value * (factors[i % 4] ?? 1) : value,
  );
  const spacing: Triple = [...spacingMm];
  return { ...geometry, affine, spacingMm: spacing };
}
