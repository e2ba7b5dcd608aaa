import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Failure } from '@lvnet/core';

export interface Scan {
  /** File name without .nii[.gz]. */
  name: string;
  path: string;
  /** Where its label map goes. */
  output: string;
}

/**
 * The scans to predict and the files that the label maps become.
 *
 * @throws Failure('FILE_NOT_FOUND'), Failure('DATASET_INVALID') for a folder without scans,
 *   Failure('ARGUMENT_INVALID') where a label map would take the place of an input file or of another one
 */
export async function findScans(input: string, out: string): Promise<Scan[]> {
  const { scans, others } = await filesOf(input);
  const found = scans.map((path) => {
    const file = basename(path);
    return { name: stemOf(file), path, output: join(resolve(out), labelMapName(file)) };
  });
  await refuseOverwriting(found, [...scans, ...others]);
  return found;
}

/** As LiTS calls them: volume-28.nii becomes segmentation-28.nii; other names stay. */
export function labelMapName(file: string): string {
  const renamed = file.replace(/^(test-)?volume-/, '$1segmentation-');
  return /\.nii(\.gz)?$/.test(renamed) ? renamed : `${renamed}.nii.gz`;
}

const stemOf = (file: string): string => file.replace(/\.nii(\.gz)?$/, '');

async function filesOf(input: string): Promise<{ scans: string[]; others: string[] }> {
  const found = await stat(input).catch((cause: unknown) => {
    const message = `There is no file or folder ${input}.`;
    throw new Failure('FILE_NOT_FOUND', { path: input }, { message, hint: 'Check the path.', cause });
  });
  if (!found.isDirectory()) return { scans: [input], others: [] };
  const names = await readdir(input);
  const inside = async (folder: string) =>
    names.includes(folder) ? imagesIn(join(input, folder), await readdir(join(input, folder))) : [];
  const images = imagesIn(input, names);
  const scans = [
    ...images.filter((path) => !isSegmentation(path)),
    ...(await inside('imagesTr')),
    ...(await inside('imagesTs')),
  ];
  if (scans.length === 0) throw noScans(input);
  return { scans, others: [...images.filter(isSegmentation), ...(await inside('labelsTr'))] };
}

const isSegmentation = (path: string): boolean => /^(test-)?segmentation-/.test(basename(path));

const imagesIn = (folder: string, names: readonly string[]): string[] =>
  names
    .filter((name) => /^[^.].*\.nii(\.gz)?$/.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(folder, name));

async function refuseOverwriting(scans: readonly Scan[], inputs: readonly string[]): Promise<void> {
  const taken = new Map<string, string>();
  for (const path of inputs) taken.set(await realpath(path), path);
  for (const { output, path } of scans) {
    const there = await realpath(output).catch(() => output);
    const other = taken.get(there) ?? taken.get(output);
    if (other !== undefined) throw wouldOverwrite(path, output, other);
    taken.set(output, path);
  }
}

function wouldOverwrite(path: string, output: string, other: string): Failure {
  return new Failure(
    'ARGUMENT_INVALID',
    { input: path, output, other },
    {
      message: `The label map of ${path} would be ${output}, which belongs to ${other}.`,
      hint: 'Give another folder with --out, or predict the scans one after the other.',
    },
  );
}

function noScans(folder: string): Failure {
  const message = `${folder} holds no scans.`;
  const hint = 'They are .nii or .nii.gz files; segmentation-N.nii is no scan.';
  return new Failure('DATASET_INVALID', { folder }, { message, hint });
}
