import { randomBytes } from 'node:crypto';
import { appendFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '@lvnet/core';
import { bytesOf, checkKey, conflict, notFound } from './keys.js';
import { paced } from './paced.js';
import type { PutOptions, Store, StoredObject } from './store.js';

/** Files being written carry this in their names and are never listed. */
const unfinished = '.unfinished-';

/** Objects as files below a folder. A file appears whole, by rename, after its bytes are on the disk. */
export async function openDirectoryStore(url: string): Promise<Store> {
  const folder = folderOf(url);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw asFailure(error, url, '');
  });
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(folder, ...key.split('/'));
  };
  return {
    url,
    async get(key) {
      try {
        return await readFile(pathOf(key));
      } catch (error) {
        throw asFailure(error, url, key);
      }
    },
    async head(key) {
      try {
        const found = await stat(pathOf(key));
        return found.isFile() ? { sizeBytes: found.size } : undefined;
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw asFailure(error, url, key);
      }
    },
    async put(key, body, o) {
      const path = pathOf(key);
      try {
        await writeWhole(path, bytesOf(body), o ?? {});
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw conflict(url, key);
        throw asFailure(error, url, key);
      }
    },
    list: (prefix) => listFiles(folder, prefix),
    async delete(key) {
      await rm(pathOf(key), { force: true });
    },
    localPath: pathOf,
    async append(key, text) {
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true });
      await appendFile(path, text);
    },
    close: () => Promise.resolve(),
  };
}

function folderOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new Failure(
      'STORE_INVALID',
      { url },
      { message: `${url} is no folder.`, hint: 'Write it as file:///absolute/path.', cause },
    );
  }
}

async function writeWhole(path: string, bytes: Uint8Array, o: PutOptions): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = `${path}${unfinished}${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx');
    try {
      if (o.bytesPerSecond === undefined) await file.writeFile(bytes);
      else for await (const piece of paced(bytes, o.bytesPerSecond, o)) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    // A hard link fails when the name exists: of several racing writers one wins.
    if (o.ifAbsent === true) await link(temporary, path);
    else await rename(temporary, path);
    await syncFolder(folder);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the new name itself survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* listFiles(folder: string, prefix: string): AsyncIterable<StoredObject> {
  const inner = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  for (const key of (await keysBelow(folder, inner)).sort()) {
    if (!key.startsWith(prefix)) continue;
    const found = await stat(join(folder, key)).catch(() => undefined); // deleted meanwhile
    if (found !== undefined) yield { key, sizeBytes: found.size };
  }
}

async function keysBelow(folder: string, inner: string): Promise<string[]> {
  const entries = await readdir(join(folder, inner), { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const key = `${inner}${entry.name}`;
      if (entry.isDirectory()) return keysBelow(folder, `${key}/`);
      return entry.isFile() && !entry.name.includes(unfinished) ? [key] : [];
    }),
  );
  return found.flat();
}

const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

function asFailure(error: unknown, url: string, key: string): unknown {
  if (error instanceof Failure) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (isAbsent(error)) return notFound(url, key);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure(
      'STORE_FULL',
      { url, key },
      {
        message: `No space left in ${url}.`,
        hint: 'Free some space; training goes on by itself.',
        cause: error,
      },
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Failure(
      'STORE_DENIED',
      { url, key },
      {
        message: `${url} may not be written or read: ${message}`,
        hint: 'Check the owner of the folder.',
        cause: error,
      },
    );
  }
  return new Failure(
    'STORE_UNREACHABLE',
    { url, key },
    { message: `${url} does not work: ${message}`, hint: 'Check the folder and its disk.', cause: error },
  );
}
