import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';

/** @throws Failure('STORE_NOT_FOUND' | 'STORE_INVALID') */
export async function readJson<T>(store: Store, key: string): Promise<T> {
  return parseStored(key, new TextDecoder().decode(await store.get(key))) as T;
}

/** @throws Failure('STORE_INVALID') naming the key */
export function parseStored(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure(
      'STORE_INVALID',
      { key },
      {
        message: `${key} in the store is not JSON.`,
        hint: 'Was it edited by hand? Delete the run to start over.',
        cause,
      },
    );
  }
}

/** Writes a document that never changes: a second writer of the same content does no harm. */
export async function putDocument(store: Store, key: string, value: unknown): Promise<boolean> {
  if ((await store.head(key)) !== undefined) return false;
  try {
    await store.put(key, `${JSON.stringify(value, null, 1)}\n`, { ifAbsent: true });
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'STORE_CONFLICT') return false;
    throw error;
  }
}

/** Ids of the runs or sweeps in the store: the folders below the prefix that hold the given document. */
export async function documentIds(
  store: Store,
  prefix: 'runs/' | 'sweeps/',
  document: string,
): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list(prefix)) {
    const parts = key.split('/');
    if (parts.length === 3 && parts[2] === document && parts[1] !== undefined) ids.push(parts[1]);
  }
  return ids;
}

/** null where there is no such document. */
export async function readJsonIfThere<T>(store: Store, key: string): Promise<T | null> {
  return (await store.head(key)) === undefined ? null : readJson<T>(store, key);
}
