import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repository } from './data.js';

/**
 * A module below infra. Those are plain JavaScript, outside what tsc -b compiles, because set-up runs before
 * there is a compiler; so the caller names the types that it expects.
 */
export async function infraModule<T>(path: string): Promise<T> {
  return (await import(pathToFileURL(join(repository, 'infra', path)).href)) as T;
}
