import { bytesOf, checkKey, conflict, notFound } from './keys.js';
import { paced } from './paced.js';
import type { Store } from './store.js';

/** For fast tests; held to the same contract suite as the real stores. */
export function memoryStore(): Store {
  const url = 'memory:';
  const objects = new Map<string, Uint8Array>();
  return {
    url,
    get: async (key) => {
      checkKey(key);
      const body = objects.get(key);
      if (body === undefined) throw notFound(url, key);
      return Promise.resolve(body.slice());
    },
    head: async (key) => {
      checkKey(key);
      const body = objects.get(key);
      return Promise.resolve(body === undefined ? undefined : { sizeBytes: body.byteLength });
    },
    put: async (key, body, o) => {
      checkKey(key);
      if (o?.ifAbsent === true && objects.has(key)) throw conflict(url, key);
      let bytes = bytesOf(body).slice();
      if (o?.bytesPerSecond !== undefined) {
        const pieces: Uint8Array[] = [];
        for await (const piece of paced(bytes, o.bytesPerSecond, o)) pieces.push(piece);
        bytes = Uint8Array.from(Buffer.concat(pieces));
      }
      objects.set(key, bytes);
    },
    async *list(prefix) {
      await Promise.resolve();
      for (const key of [...objects.keys()].sort()) {
        if (key.startsWith(prefix)) yield { key, sizeBytes: objects.get(key)?.byteLength ?? 0 };
      }
    },
    delete: async (key) => {
      checkKey(key);
      objects.delete(key);
      return Promise.resolve();
    },
    localPath: () => undefined,
    close: () => Promise.resolve(),
  };
}
