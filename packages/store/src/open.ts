import { Failure } from '@lvnet/core';
import { openDirectoryStore } from './directory-store.js';
import type { Store } from './store.js';

/**
 * @param url file:///folder or s3://bucket/prefix
 * @throws Failure('STORE_INVALID') for any other address
 */
export async function openStore(url: string, env: NodeJS.ProcessEnv = process.env): Promise<Store> {
  if (url.startsWith('file:')) return openDirectoryStore(url);
  if (url.startsWith('s3:')) {
    // Loaded where it is used: the SDK is a tenth of what a process needs to start.
    const { openS3Store } = await import('./s3-store.js');
    return openS3Store(url, env);
  }
  throw new Failure(
    'STORE_INVALID',
    { url },
    {
      message: `${JSON.stringify(url)} is no store.`,
      hint: 'Set LVNET_STORE to file:///folder or s3://bucket/prefix.',
    },
  );
}
