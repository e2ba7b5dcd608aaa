import { asFailure, Failure } from '@lvnet/core';
import type { Store, StoredObject } from '@lvnet/store';
import type { SimProcess, World } from '../world.js';

/** How the store is at the moment. */
export interface StoreWeather {
  latencyMs(): number;
  /** The request fails, before or after it took effect. */
  fails(process: SimProcess): 'before' | 'after' | 'no';
}

/** A process's way to the store: what was sent takes effect even when its sender dies meanwhile. */
export function storeOf(world: World, process: SimProcess, store: Store, weather: StoreWeather): Store {
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        process.later(weather.latencyMs() / 2, 'message', settle);
      };
      const refuse = () => {
        answer(() => {
          reject(new Failure('STORE_UNREACHABLE', {}, { message: 'The store does not answer.' }));
        });
      };
      world.after(weather.latencyMs() / 2, () => {
        const fate = weather.fails(process);
        if (fate === 'before') {
          refuse();
          return;
        }
        work().then(
          (value) => {
            if (fate === 'after') refuse();
            else
              answer(() => {
                resolve(value);
              });
          },
          (error: unknown) => {
            answer(() => {
              reject(asFailure(error));
            });
          },
        );
      });
    });
  return {
    url: store.url,
    get: (key) => call(() => store.get(key)),
    head: (key) => call(() => store.head(key)),
    put: (key, body, o) => call(() => store.put(key, body, o)),
    async *list(prefix) {
      yield* await call(() => everything(store, prefix));
    },
    delete: (key) => call(() => store.delete(key)),
    localPath: () => undefined,
    close: () => Promise.resolve(),
  };
}

async function everything(store: Store, prefix: string): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const item of store.list(prefix)) found.push(item);
  return found;
}
