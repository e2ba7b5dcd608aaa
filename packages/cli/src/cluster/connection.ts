import { openRegistry, type Registry } from '@lvnet/queue';
import { openStore, type Store } from '@lvnet/store';
import { readSettings, readStoreUrl, type ClusterSettings } from './settings.js';

export interface Connection {
  settings: ClusterSettings;
  store: Store;
  registry: Registry;
}

/** Runs a command's work with the cluster's store and registry, and closes both. */
export async function withCluster<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
  const settings = readSettings();
  const store = await openStore(settings.storeUrl);
  try {
    await using registry = await openRegistry(settings.redisUrl, 'lvnet-cli');
    return await work({ settings, store, registry });
  } finally {
    await store.close();
  }
}

/** For commands that only look: a cluster that is down still shows what the store holds. */
export async function withStore<T>(
  work: (store: Store, registry: Registry | undefined) => Promise<T>,
): Promise<T> {
  const store = await openStore(readStoreUrl());
  const registry = await openRegistryIfUp();
  try {
    return await work(store, registry);
  } finally {
    await registry?.close();
    await store.close();
  }
}

async function openRegistryIfUp(): Promise<Registry | undefined> {
  try {
    return await openRegistry(readSettings().redisUrl, 'lvnet-cli');
  } catch {
    return undefined; // what is finished lies in the store; the rest is not to be had while Redis is down
  }
}
