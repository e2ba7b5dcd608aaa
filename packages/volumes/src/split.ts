import { counterRandom, Failure, shuffled } from '@lvnet/core';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** A case by its name and the hash of its voxels. */
export interface SplitCase {
  case: string;
  contentSha256: string;
}

/** Which cases train, which tune, which test; a JSON file. */
export interface SplitManifest {
  version: 1;
  seed: number;
  train: SplitCase[];
  validation: SplitCase[];
  test: SplitCase[];
}

export interface SplitSizes {
  train: number;
  validation: number;
  test: number;
}

const parts = ['train', 'validation', 'test'] as const;

const caseList = z.array(
  z.strictObject({ case: z.string().min(1), contentSha256: z.string().regex(/^[0-9a-f]{64}$/) }),
);

export const splitManifestSchema = z.strictObject({
  version: z.literal(1),
  seed: z.number().int(),
  train: caseList.min(1),
  validation: caseList,
  test: caseList,
});

/**
 * Draws a split. Sizes are counts, or fractions of all cases when they add up to at most 1 (and one of
 * them is broken); what rounding leaves over goes to training.
 *
 * @param o.overfit uses all cases for training, validation and test alike; only ever a check that a network can learn
 * @throws Failure('SPLIT_INVALID') for more cases than there are, or none to train on
 */
export function makeSplit(
  cases: readonly SplitCase[],
  sizes: SplitSizes,
  seed: number,
  o: { overfit?: boolean } = {},
): SplitManifest {
  const all = cases.map(({ case: id, contentSha256 }) => ({ case: id, contentSha256 }));
  if (o.overfit === true && all.length > 0) {
    return { version: 1, seed, train: all, validation: all, test: all };
  }
  const counts = countsOf(sizes, all.length);
  const drawn = shuffled(all, counterRandom(seed, 'split'));
  const [first, second] = [counts.train, counts.train + counts.validation];
  const manifest: SplitManifest = {
    version: 1,
    seed,
    train: inOrder(drawn.slice(0, first)),
    validation: inOrder(drawn.slice(first, second)),
    test: inOrder(drawn.slice(second, second + counts.test)),
  };
  checkSplit(manifest);
  return manifest;
}

function inOrder(cases: SplitCase[]): SplitCase[] {
  return cases.sort((a, b) => a.case.localeCompare(b.case, 'en', { numeric: true }));
}

function countsOf(sizes: SplitSizes, available: number): SplitSizes {
  const wanted = parts.map((part) => sizes[part]);
  const sum = wanted.reduce((total, size) => total + size, 0);
  const fractions = wanted.some((size) => !Number.isInteger(size));
  if (wanted.some((size) => !(size >= 0)) || (fractions && sum > 1 + 1e-9)) {
    throw invalid(
      { sizes },
      `The split ${wanted.join('/')} is neither counts nor fractions.`,
      'Give three counts, or three fractions that add up to 1.',
    );
  }
  const counts = fractions ? ofFractions(sizes, sum, available) : sizes;
  const needed = counts.train + counts.validation + counts.test;
  if (counts.train >= 1 && needed <= available) return counts;
  throw invalid(
    { sizes, available },
    `The split ${wanted.join('/')} needs ${String(Math.max(needed, 1))} cases, at least one to train on; there are ${String(available)}.`,
    'Add cases or ask for fewer; fractions such as 0.7/0.1/0.2 fit any number.',
  );
}

function ofFractions(sizes: SplitSizes, sum: number, available: number): SplitSizes {
  const validation = Math.round(sizes.validation * available);
  const test = Math.min(available - validation, Math.round(sizes.test * available));
  const used = Math.round(sum * available);
  return { train: Math.max(0, used - validation - test), validation, test };
}

/**
 * Checks a split, whoever made it.
 *
 * @param known the cases that exist, by name and content; left out, only the split itself is checked
 * @returns warnings that do not stop the work
 * @throws Failure('SPLIT_INVALID') for a case or content in two places, an absent case, or changed content
 */
export function checkSplit(manifest: SplitManifest, known?: readonly SplitCase[]): { warnings: string[] } {
  const places = new Map<string, string>();
  for (const part of parts) {
    for (const { case: id, contentSha256 } of manifest[part]) {
      for (const [key, what] of [
        [`case ${id}`, `Case ${id}`],
        [contentSha256, `The content of case ${id}`],
      ] as const) {
        const other = places.get(key);
        if (other !== undefined) throw twice(what, id, other, part);
        places.set(key, part);
      }
    }
  }
  if (known !== undefined) checkKnown(manifest, known);
  return { warnings: leakWarnings(manifest) };
}

function twice(what: string, id: string, first: string, second: string): Failure {
  const where = first === second ? `twice in ${first}` : `in ${first} and in ${second}`;
  return invalid({ case: id, first, second }, `${what} is ${where}.`, 'Every case may be used once.');
}

function checkKnown(manifest: SplitManifest, known: readonly SplitCase[]): void {
  const hashes = new Map(known.map((item) => [item.case, item.contentSha256]));
  for (const { case: id, contentSha256 } of parts.flatMap((part) => manifest[part])) {
    const found = hashes.get(id);
    if (found === contentSha256) continue;
    const what =
      found === undefined ? 'is not in the data set' : 'has other voxels than when the split was made';
    throw invalid(
      { case: id },
      `Case ${id} ${what}.`,
      'Use the data set that the split was made for, or draw a new split.',
    );
  }
}

/** LiTS 28..44 and 46..48 are the patients of 3D-IRCADb. */
const isIrcadb = (id: string) => /^\d+$/.test(id) && Number(id) >= 28 && Number(id) <= 48 && id !== '45';

function leakWarnings({ train, validation }: SplitManifest): string[] {
  const shared = [...train, ...validation].filter((item) => isIrcadb(item.case)).map((item) => item.case);
  if (shared.length === 0) return [];
  return [
    `In LiTS, the training cases ${shared.join(', ')} are patients of 3D-IRCADb: do not use that set as an external test of this run.`,
  ];
}

/**
 * Reads a split manifest and checks it.
 *
 * @throws Failure('SPLIT_INVALID' | 'FILE_NOT_FOUND')
 */
export async function loadSplit(file: string): Promise<SplitManifest> {
  const text = await readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid({ file }, `${file} is no JSON.`, 'Make a split with `lvnet data split`.', error);
  }
  const parsed = splitManifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined ? '' : `: ${issue.path.join('.') || 'the document'}: ${issue.message}`;
    throw invalid({ file }, `${file} is no split manifest${where}.`, 'Make one with `lvnet data split`.');
  }
  checkSplit(parsed.data);
  return parsed.data;
}

/**
 * The split that an experiment asks for: drawn by sizes, or read from a manifest's path and checked
 * against the cases there are.
 *
 * @throws Failure('SPLIT_INVALID' | 'FILE_NOT_FOUND')
 */
export async function resolveSplit(
  cases: readonly SplitCase[],
  request: SplitSizes | string,
  seed: number,
): Promise<SplitManifest> {
  if (typeof request !== 'string') return makeSplit(cases, request, seed);
  const manifest = await loadSplit(request);
  checkSplit(manifest, cases);
  return manifest;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `The split ${file} cannot be read.`;
    throw new Failure('FILE_NOT_FOUND', { file }, { message, hint: 'Check the path.', cause: error });
  }
}

function invalid(details: Record<string, unknown>, message: string, hint: string, cause?: unknown): Failure {
  return new Failure('SPLIT_INVALID', details, { message, hint, cause });
}
