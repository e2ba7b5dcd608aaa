import { memoryStore, type Store } from '@lvnet/store';

export interface Writing {
  key: string;
  text: string;
  /** What was there before. */
  before: string | undefined;
}

/** The store itself, in memory; tells of every object that was written. */
export function watchedStore(onWrite: (writing: Writing) => void): Store {
  const store = memoryStore();
  const written = new Map<string, string>();
  return {
    ...store,
    async put(key, body, o) {
      await store.put(key, body, o);
      const text = typeof body === 'string' ? body : `${String(body.length)} bytes`;
      const before = written.get(key);
      written.set(key, text);
      onWrite({ key, text, before });
    },
    async delete(key) {
      await store.delete(key);
      written.delete(key);
    },
  };
}
