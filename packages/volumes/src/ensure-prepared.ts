import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import type { CaseSource } from './prepare.js';
import { prepareCaseInThread } from './prepare-thread.js';
import { loadPrepared, preparedKey, storePrepared } from './prepared-file.js';
import { preparedName, type CaseTransform, type PreparedCase } from './prepared.js';

/** A prepared case as it lies in the store, without its voxels. */
export interface StoredCase extends Pick<PreparedCase, 'depth' | 'rows' | 'columns' | 'liver' | 'warnings'> {
  /** The object `cases/<prepared>.safetensors`. */
  prepared: string;
  /** Of the object's bytes. */
  sha256: string;
  /** False where it was in the store already. */
  created: boolean;
}

/**
 * Sees to it that a case is in the store in prepared form, and verifies it there; a damaged one is made anew.
 *
 * @param contentSha256 of the case, as hashCase tells it: with the transform it is the prepared case's name
 * @param filesOf asked only where the case has to be prepared
 * @throws Failure('DATASET_INVALID') for files with another content; as prepareCaseInThread and the store
 */
export async function ensurePrepared(
  store: Store,
  contentSha256: string,
  transform: CaseTransform,
  filesOf: () => CaseSource | Promise<CaseSource>,
  o: { signal?: AbortSignal } = {},
): Promise<StoredCase> {
  const name = preparedName(contentSha256, transform);
  const known = await loadIfSound(store, name);
  if (known !== undefined) return describe(name, known, false);
  const files = await filesOf();
  const fresh = await prepareCaseInThread(files, transform, o);
  if (fresh.contentSha256 !== contentSha256) throw changed(files);
  await storePrepared(store, fresh);
  return describe(name, await loadPrepared(store, name), true);
}

interface Loaded {
  prepared: PreparedCase;
  sha256: string;
}

async function loadIfSound(store: Store, name: string): Promise<Loaded | undefined> {
  if ((await store.head(preparedKey(name))) === undefined) return undefined;
  return loadPrepared(store, name).catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'CASE_CORRUPT') return undefined;
    throw error;
  });
}

function describe(name: string, { prepared, sha256 }: Loaded, created: boolean): StoredCase {
  const { depth, rows, columns, liver, warnings } = prepared;
  return { prepared: name, sha256, created, depth, rows, columns, liver, warnings: [...warnings] };
}

function changed({ id, volume }: CaseSource): Failure {
  return new Failure(
    'DATASET_INVALID',
    { case: id, volume },
    {
      message: `Case ${id} (${volume}) has other voxels than before.`,
      hint: 'Its files changed meanwhile: start again with the new ones.',
    },
  );
}
