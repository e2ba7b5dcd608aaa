import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openStore, type Store } from '@lvnet/store';
import { readStoreUrl } from '../cluster/settings.js';

/** The same memory of content hashes that submitting uses. */
export const hashCachePath = (): string => join(homedir(), '.cache', 'lvnet', 'hashes.json');

/** Opens the store that was asked for, or the one that the environment or the local cluster names. */
export async function withStoreAt<T>(
  place: string | undefined,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openStore(place === undefined ? readStoreUrl() : asUrl(place));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A path as a file URL; anything with a scheme stays. */
const asUrl = (place: string): string =>
  /^[a-z0-9]+:/i.test(place) ? place : pathToFileURL(resolve(place)).href;
