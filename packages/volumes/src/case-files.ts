import { Failure } from '@lvnet/core';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a case lies on disk. */
export interface CaseFiles {
  /** '28' for volume-28 and liver_28; 'test-3' for test-volume-3. */
  id: string;
  volume: string;
  /** Undefined for test scans, which come without one. */
  label: string | undefined;
  layout: Layout;
}

export type Layout = 'lits' | 'msd';

/** What was found in a folder, before anyone decides whether a problem stops the work. */
export interface CaseListing {
  cases: CaseFiles[];
  problems: Failure[];
}

/**
 * The cases of a folder, in the order of their numbers. Layouts: LiTS (`volume-28.nii`,
 * `segmentation-28.nii`, `test-volume-3.nii`) and MSD Task03_Liver (`imagesTr/liver_28.nii.gz`,
 * `labelsTr/liver_28.nii.gz`, `imagesTs/liver_3.nii.gz`), each with or without .gz.
 *
 * @throws Failure('CASE_INCOMPLETE') for a volume without its label, a label without its volume, or a twofold file
 * @throws Failure('DATASET_INVALID') for a folder without cases, Failure('FILE_NOT_FOUND') for no folder
 */
export async function discoverCases(root: string): Promise<CaseFiles[]> {
  const { cases, problems } = await listCases(root);
  const [first] = problems;
  if (first !== undefined) throw first;
  return cases;
}

/** As discoverCases, but incomplete cases are told beside the complete ones. */
export async function listCases(root: string): Promise<CaseListing> {
  const names = await listFolder(root);
  const folders = ['imagesTr', 'labelsTr', 'imagesTs'].filter((folder) => names.includes(folder));
  const inner = await Promise.all(
    folders.map(async (folder) => (await listFolder(join(root, folder))).map((name) => `${folder}/${name}`)),
  );
  const listing = matchCases(root, [...names, ...inner.flat()]);
  if (listing.cases.length === 0 && listing.problems.length === 0) throw noCases(root);
  return listing;
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    throw new Failure(
      'FILE_NOT_FOUND',
      { path },
      { message: `There is no folder ${path} that can be read.`, hint: 'Check the path.', cause: error },
    );
  }
}

function noCases(root: string): Failure {
  return new Failure(
    'DATASET_INVALID',
    { root },
    {
      message: `${root} holds no cases.`,
      hint: 'Expected volume-N.nii[.gz] with segmentation-N.nii[.gz] (LiTS), or imagesTr/liver_N.nii.gz with labelsTr/liver_N.nii.gz (MSD).',
    },
  );
}

interface Pattern {
  regexp: RegExp;
  layout: Layout;
  role: 'volume' | 'label' | 'test';
}

const patterns: readonly Pattern[] = [
  { regexp: /^volume-(\d+)\.nii(\.gz)?$/, layout: 'lits', role: 'volume' },
  { regexp: /^segmentation-(\d+)\.nii(\.gz)?$/, layout: 'lits', role: 'label' },
  { regexp: /^test-volume-(\d+)\.nii(\.gz)?$/, layout: 'lits', role: 'test' },
  { regexp: /^imagesTr\/liver_(\d+)\.nii(\.gz)?$/, layout: 'msd', role: 'volume' },
  { regexp: /^labelsTr\/liver_(\d+)\.nii(\.gz)?$/, layout: 'msd', role: 'label' },
  { regexp: /^imagesTs\/liver_(\d+)\.nii(\.gz)?$/, layout: 'msd', role: 'test' },
];

interface Found {
  number: number;
  layout: Layout;
  test: boolean;
  volumes: string[];
  labels: string[];
}

/** Pairs file names (relative to root, '/'-separated); pure. */
export function matchCases(root: string, names: readonly string[]): CaseListing {
  const found = new Map<string, Found>();
  for (const name of [...names].sort()) {
    for (const { regexp, layout, role } of patterns) {
      const number = regexp.exec(name)?.[1];
      if (number === undefined) continue;
      const test = role === 'test';
      const id = `${test ? 'test-' : ''}${String(Number(number))}`;
      const item = found.get(id) ?? { number: Number(number), layout, test, volumes: [], labels: [] };
      found.set(id, item);
      (role === 'label' ? item.labels : item.volumes).push(join(root, name));
    }
  }
  const listing: CaseListing = { cases: [], problems: [] };
  const ordered = [...found].sort(([, a], [, b]) => Number(a.test) - Number(b.test) || a.number - b.number);
  for (const [id, item] of ordered) settle(listing, id, item);
  return listing;
}

function settle(listing: CaseListing, id: string, { layout, test, volumes, labels }: Found): void {
  const [volume, ...moreVolumes] = volumes;
  const [label, ...moreLabels] = labels;
  const [twin] = [...moreVolumes, ...moreLabels];
  if (twin !== undefined) {
    listing.problems.push(
      incomplete(id, twin, `${twin} is there beside another file of case ${id}`, 'Keep one.'),
    );
  } else if (volume === undefined) {
    const file = label ?? '';
    listing.problems.push(
      incomplete(id, file, `${file} has no volume`, 'Add the volume of the case or remove this file.'),
    );
  } else if (label === undefined && !test) {
    listing.problems.push(
      incomplete(
        id,
        volume,
        `${volume} has no segmentation`,
        'Add the label of the case or remove this file.',
      ),
    );
  } else {
    listing.cases.push({ id, volume, label, layout });
  }
}

function incomplete(id: string, file: string, what: string, hint: string): Failure {
  return new Failure('CASE_INCOMPLETE', { case: id, file }, { message: `${what}.`, hint });
}
