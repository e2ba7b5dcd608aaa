import { asFailure, type Failure } from '@lvnet/core';
import { listCases, type CaseFiles } from './case-files.js';
import { contentHashOf } from './content-hash.js';
import { rangeOf } from './describe.js';
import { spacingOf, type Triple, type Volume } from './geometry.js';
import { checkGeometry, checkPair, normaliseLabels } from './labels.js';
import type { Datatype } from './nifti/datatype.js';
import { readLabelMap, readNifti } from './nifti/read.js';

/** What `lvnet data check` says of one sound case. */
export interface CheckedCase {
  id: string;
  layout: CaseFiles['layout'];
  volume: string;
  label: string | undefined;
  shape: Triple;
  spacingMm: Triple;
  orientation: string;
  datatype: Datatype;
  minHu: number;
  maxHu: number;
  /** Voxels of liver (tumour included) and of tumour; null without a segmentation. */
  liverVoxels: number | null;
  tumourVoxels: number | null;
  liverMl: number | null;
  contentSha256: string;
}

export interface DatasetReport {
  cases: CheckedCase[];
  /** Cases that cannot be used. */
  problems: { case: string | null; code: string; message: string; hint: string }[];
  /** Answered automatically, or worth knowing. */
  warnings: { case: string; message: string }[];
}

/**
 * Reads every case of a folder and says what is wrong with it; goes on after a broken one.
 *
 * @throws Failure('FILE_NOT_FOUND' | 'DATASET_INVALID') where there is nothing to check
 */
export async function checkDataset(root: string): Promise<DatasetReport> {
  const listing = await listCases(root);
  const report: DatasetReport = {
    cases: [],
    problems: listing.problems.map((failure) => problemOf(null, failure)),
    warnings: [],
  };
  for (const files of listing.cases) await checkInto(report, files);
  warnOfTwins(report);
  return report;
}

async function checkInto(report: DatasetReport, files: CaseFiles): Promise<void> {
  try {
    const { checked, warnings } = await checkCase(files);
    report.cases.push(checked);
    report.warnings.push(...warnings.map((message) => ({ case: files.id, message })));
  } catch (error) {
    report.problems.push(problemOf(files.id, asFailure(error)));
  }
}

function problemOf(id: string | null, failure: Failure): DatasetReport['problems'][number] {
  const named = failure.details['case'];
  const { code, message, hint } = failure;
  return { case: id ?? (typeof named === 'string' ? named : null), code, message, hint };
}

async function checkCase(files: CaseFiles): Promise<{ checked: CheckedCase; warnings: string[] }> {
  const volume = await readNifti(files.volume);
  const { min, max } = rangeOf(volume.voxels);
  const warnings = [...checkGeometry(volume), ...(min === max ? ['The volume is constant.'] : [])];
  const labelled =
    files.label === undefined ? undefined : await checkLabel(files.volume, files.label, volume);
  const { shape, spacingMm, orientation, datatype } = volume;
  return {
    checked: {
      ...files,
      shape,
      spacingMm,
      orientation,
      datatype,
      minHu: min,
      maxHu: max,
      liverVoxels: labelled?.liverVoxels ?? null,
      tumourVoxels: labelled?.tumourVoxels ?? null,
      liverMl: labelled === undefined ? null : labelled.liverVoxels * voxelMl(volume),
      contentSha256: contentHashOf(volume, volume.voxels, labelled?.source),
    },
    warnings: [...warnings, ...(labelled?.warnings ?? [])],
  };
}

async function checkLabel(
  volumePath: string,
  path: string,
  volume: Volume,
): Promise<{ liverVoxels: number; tumourVoxels: number; source: Uint8Array; warnings: string[] }> {
  const map = await readLabelMap(path);
  const warnings = checkPair({ volume: volumePath, label: path }, volume, map);
  const classes = Uint8Array.from(map.labels);
  warnings.push(...normaliseLabels(path, classes));
  let liverVoxels = 0;
  let tumourVoxels = 0;
  for (let i = 0; i < classes.length; i++) {
    const value = classes[i] ?? 0;
    if (value > 0) liverVoxels++;
    if (value === 2) tumourVoxels++;
  }
  return { liverVoxels, tumourVoxels, source: map.labels, warnings };
}

function voxelMl({ affine }: Volume): number {
  const [x, y, z] = spacingOf(affine);
  return (x * y * z) / 1000;
}

function warnOfTwins({ cases, warnings }: DatasetReport): void {
  const first = new Map<string, string>();
  for (const { id, contentSha256 } of cases) {
    const other = first.get(contentSha256);
    if (other === undefined) first.set(contentSha256, id);
    else warnings.push({ case: id, message: `It has the same content as case ${other}.` });
  }
}
