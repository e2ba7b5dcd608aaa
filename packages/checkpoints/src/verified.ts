import { Failure, sha256Hex } from '@lvnet/core';
import { decodeSafetensors, type NamedTensor } from '@lvnet/safetensors';
import type { Store } from '@lvnet/store';
import { manifestName, manifestSchema, weightsName, type Manifest } from './manifest.js';

/**
 * The weights of one checkpoint alone, verified against its manifest.
 *
 * @param folder the key of the checkpoint's folder; '' for a store that was opened at the checkpoint itself
 * @throws Failure('CHECKPOINT_NOT_FOUND'), Failure('CHECKPOINT_CORRUPT') naming the file
 */
export async function readWeights(
  store: Store,
  folder: string,
): Promise<{ manifest: Manifest; weights: NamedTensor[] }> {
  const manifest = await readManifest(store, folder);
  return { manifest, weights: await readTensors(store, folder, manifest, weightsName) };
}

/** @throws Failure('CHECKPOINT_NOT_FOUND'), Failure('CHECKPOINT_CORRUPT') */
export async function readManifest(store: Store, folder: string): Promise<Manifest> {
  const key = keyIn(folder, manifestName);
  const bytes = await store.get(key).catch((error: unknown) => {
    throw isAbsent(error) ? absentFrom(store, folder) : error;
  });
  try {
    return manifestSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw corrupt(store, key, 'it is not a manifest', cause);
  }
}

/** The tensors of a file that the manifest names; size and SHA-256 must be those of the manifest. */
export async function readTensors(
  store: Store,
  folder: string,
  manifest: Manifest,
  name: string,
): Promise<NamedTensor[]> {
  const key = keyIn(folder, name);
  const entry = manifest.files.find((file) => file.name === name);
  if (entry === undefined) throw corrupt(store, key, 'the manifest does not name it');
  const bytes = await store.get(key).catch((error: unknown) => {
    throw isAbsent(error) ? corrupt(store, key, 'the file is gone', error) : error;
  });
  if (bytes.byteLength !== entry.bytes) {
    throw corrupt(store, key, `it has ${String(bytes.byteLength)} bytes instead of ${String(entry.bytes)}`);
  }
  if (sha256Hex(bytes) !== entry.sha256) {
    throw corrupt(store, key, 'its SHA-256 is not the one in the manifest');
  }
  try {
    return [...decodeSafetensors(bytes).tensors.values()];
  } catch (cause) {
    throw corrupt(store, key, 'it is not a safetensors file', cause);
  }
}

const keyIn = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

const isAbsent = (error: unknown): boolean => error instanceof Failure && error.code === 'STORE_NOT_FOUND';

function corrupt(store: Store, key: string, why: string, cause?: unknown): Failure {
  return new Failure(
    'CHECKPOINT_CORRUPT',
    { url: store.url, key },
    {
      message: `${store.url}/${key} is damaged: ${why}.`,
      hint: 'Check the disk or the bucket; RUN@last takes the newest checkpoint that verifies.',
      cause,
    },
  );
}

function absentFrom(store: Store, folder: string): Failure {
  const where = folder === '' ? store.url : `${store.url}/${folder}`;
  return new Failure(
    'CHECKPOINT_NOT_FOUND',
    { url: store.url, folder },
    {
      message: `${where} holds no complete checkpoint.`,
      hint: 'A complete one has a manifest.json beside its weights.safetensors.',
    },
  );
}
