import { canonicalJson, Failure, sha256Hex, writeFileAtomic } from '@lvnet/core';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { CaseFiles } from './case-files.js';
import { bytesOf } from './describe.js';
import type { Geometry, Triple } from './geometry.js';
import { checkPair } from './labels.js';
import { readLabelMap, readNifti } from './nifti/read.js';

export interface CaseHash {
  /** Of the voxels of volume and label, and where they lie. */
  contentSha256: string;
  shape: Triple;
  spacingMm: Triple;
}

/**
 * The content of a case as one hash: file names, compression and voxel types do not matter, voxels,
 * labels and geometry do.
 */
export function contentHashOf(
  geometry: Pick<Geometry, 'shape' | 'affine'>,
  voxels: Float32Array,
  labels: Uint8Array | undefined,
): string {
  const { shape, affine } = geometry;
  const label = labels === undefined ? null : sha256Hex(labels);
  return sha256Hex(canonicalJson({ version: 1, shape, affine, image: sha256Hex(bytesOf(voxels)), label }));
}

/**
 * Hashes a case.
 *
 * @param o.cachePath a JSON file that remembers hashes by path, size and time of change; a broken one is written anew
 * @throws Failure as readNifti, and VOLUME_SHAPE_MISMATCH
 */
export async function hashCase(
  files: Pick<CaseFiles, 'volume' | 'label'>,
  o: { cachePath?: string } = {},
): Promise<CaseHash> {
  const key = await fileKey(files);
  if (o.cachePath === undefined) return measure(files);
  const known = (await readCache(o.cachePath))[key];
  if (known !== undefined) return known;
  const hash = await measure(files);
  const entries = { ...(await readCache(o.cachePath)), [key]: hash };
  // A memory that cannot be kept (a home that may not be written) only costs time.
  await writeFileAtomic(o.cachePath, JSON.stringify({ version: 1, entries })).catch(() => undefined);
  return hash;
}

async function measure(files: Pick<CaseFiles, 'volume' | 'label'>): Promise<CaseHash> {
  const volume = await readNifti(files.volume);
  const { shape, spacingMm } = volume;
  if (files.label === undefined) {
    return { contentSha256: contentHashOf(volume, volume.voxels, undefined), shape, spacingMm };
  }
  const label = await readLabelMap(files.label);
  checkPair({ volume: files.volume, label: files.label }, volume, label);
  return { contentSha256: contentHashOf(volume, volume.voxels, label.labels), shape, spacingMm };
}

async function fileKey({ volume, label }: Pick<CaseFiles, 'volume' | 'label'>): Promise<string> {
  const paths = label === undefined ? [volume] : [volume, label];
  const facts = await Promise.all(
    paths.map(async (path) => {
      try {
        const { size, mtimeMs } = await stat(path);
        return `${resolve(path)}|${String(size)}|${String(mtimeMs)}`;
      } catch (error) {
        const message = `There is no file ${path}.`;
        throw new Failure('FILE_NOT_FOUND', { path }, { message, hint: 'Check the path.', cause: error });
      }
    }),
  );
  return facts.join('|');
}

const triple = z.tuple([z.number(), z.number(), z.number()]);
const cacheSchema = z.object({
  version: z.literal(1),
  entries: z.record(
    z.string(),
    z.object({ contentSha256: z.string().length(64), shape: triple, spacingMm: triple }),
  ),
});

async function readCache(path: string): Promise<Record<string, CaseHash>> {
  try {
    return cacheSchema.parse(JSON.parse(await readFile(path, 'utf8'))).entries;
  } catch {
    // Absent or broken: the hashes are measured again, nothing is lost.
    return {};
  }
}
