import { Failure } from '@lvnet/core';
import type { SimProcess, World } from './world.js';

/** What a run keeps for good, in virtual time: checkpoints and the count of lives. */
export interface SimStore {
  /** Fails while the store is down, and takes its time. */
  call<T>(process: SimProcess, work: () => T): Promise<T>;
  checkpoints: Map<number, Uint8Array>;
  lives: Set<number>;
  setDown(down: boolean): void;
}

export function createSimStore(world: World): SimStore {
  let down = false;
  return {
    checkpoints: new Map(),
    lives: new Set(),
    setDown: (value) => {
      down = value;
    },
    call: (process, work) =>
      new Promise((resolve, reject) => {
        process.later(world.random.between(1, 20), 'message', () => {
          if (down) reject(new Failure('STORE_UNREACHABLE', {}, { message: 'The store does not answer.' }));
          else resolve(work());
        });
      }),
  };
}
