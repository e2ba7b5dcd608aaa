import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '@lvnet/core';

export interface MaskFiles {
  case: string;
  reference: string;
  prediction: string;
}

/**
 * Which prediction belongs to which reference: two files, or two folders whose files are matched by case.
 *
 * @returns pairs in the order of the cases, and the reference cases without a prediction
 * @throws Failure('FILE_NOT_FOUND'), Failure('ARGUMENT_INVALID') for a file and a folder
 * @throws Failure('CASE_INCOMPLETE') naming the cases that lack a partner or have two files
 */
export async function pairMasks(
  reference: string,
  prediction: string,
  o: { allowMissing: boolean },
): Promise<{ pairs: MaskFiles[]; missing: string[] }> {
  const folders = [await isFolder(reference), await isFolder(prediction)];
  if (folders[0] !== folders[1]) throw fileAndFolder(reference, prediction);
  if (folders[0] === false) {
    return { pairs: [{ case: caseOf(basename(reference)), reference, prediction }], missing: [] };
  }
  const [references, predictions] = [await masksIn(reference), await masksIn(prediction)];
  const missing = [...references.keys()].filter((id) => !predictions.has(id));
  const extra = [...predictions.keys()].filter((id) => !references.has(id));
  if (extra.length > 0) throw unmatched(extra, prediction, reference, 'reference');
  if (missing.length > 0 && (!o.allowMissing || missing.length === references.size)) {
    throw unmatched(missing, reference, prediction, 'prediction');
  }
  const pairs = [...predictions].map(([id, path]) => ({
    case: id,
    reference: references.get(id) ?? '',
    prediction: path,
  }));
  pairs.sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }));
  return { pairs, missing };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    const message = `There is no file or folder ${path}.`;
    throw new Failure('FILE_NOT_FOUND', { path }, { message, hint: 'Check the path.', cause });
  }
}

async function masksIn(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder);
  if (names.includes('labelsTr')) return masksIn(join(folder, 'labelsTr'));
  const masks = new Map<string, string>();
  for (const name of maskNames(names)) {
    const id = caseOf(name);
    const other = masks.get(id);
    if (other !== undefined) throw twofold(id, other, join(folder, name));
    masks.set(id, join(folder, name));
  }
  if (masks.size > 0) return masks;
  const message = `${folder} holds no label maps.`;
  throw new Failure('CASE_INCOMPLETE', { folder }, { message, hint: 'They are .nii or .nii.gz files.' });
}

/** Of a folder with scans beside their segmentations only the latter. */
export function maskNames(names: readonly string[]): string[] {
  const images = names.filter((name) => /\.nii(\.gz)?$/.test(name)).sort();
  const mixed = images.some((name) => /^(test-)?segmentation-/.test(name));
  return mixed ? images.filter((name) => !/^(test-)?volume-/.test(name)) : images;
}

/** The case that a file name speaks of: '28' for segmentation-28.nii and liver_28.nii.gz, else its stem. */
export function caseOf(name: string): string {
  const stem = name.replace(/\.nii(\.gz)?$/, '');
  const [, test = '', number] = /^(test-)?(?:segmentation-|volume-|liver_)(\d+)$/.exec(stem) ?? [];
  return number === undefined ? stem : `${test}${String(Number(number))}`;
}

function fileAndFolder(reference: string, prediction: string): Failure {
  return new Failure(
    'ARGUMENT_INVALID',
    { reference, prediction },
    {
      message: `${reference} and ${prediction} are a file and a folder.`,
      hint: 'Give two files or two folders.',
    },
  );
}

function unmatched(
  cases: readonly string[],
  from: string,
  absentFrom: string,
  what: 'reference' | 'prediction',
): Failure {
  const hint =
    what === 'prediction'
      ? 'Predict them too, or leave them out with --allow-missing.'
      : 'Take them out of the folder, or add their references.';
  const named = `${cases.length === 1 ? 'case' : 'cases'} ${cases.join(', ')} of ${from}`;
  return new Failure(
    'CASE_INCOMPLETE',
    { missing: what, cases, from, absentFrom },
    { message: `There is no ${what} in ${absentFrom} for ${named}.`, hint },
  );
}

function twofold(id: string, first: string, second: string): Failure {
  const message = `${first} and ${second} are both of case ${id}.`;
  return new Failure('CASE_INCOMPLETE', { case: id, files: [first, second] }, { message, hint: 'Keep one.' });
}
