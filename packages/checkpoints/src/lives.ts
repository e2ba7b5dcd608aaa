import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';

/** One life of a run, from a checkpoint until all its members were gone. */
export interface Life {
  startedMs: number;
  /** When its members left because they were asked to; null: they have not, or were lost. */
  leftMs: number | null;
}

const folder = (run: string): string => `runs/${run}/lives/`;
const leftName = (life: number): string => `${String(life)}-left`;

/**
 * The number of a run's new life: one more than any before, claimed in the store so that it survives
 * the loss of every Redis. Of several claimants each gets another number.
 */
export async function nextLife(store: Store, run: string): Promise<number> {
  for (let life = Math.max(0, ...(await lifeNumbers(store, run))) + 1; ; life++) {
    try {
      await store.put(`${folder(run)}${String(life)}`, now(), { ifAbsent: true });
      return life;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'STORE_CONFLICT') throw error;
    }
  }
}

/** The last member of a life left it as it was asked to: what follows is no failure. */
export async function endLife(store: Store, run: string, life: number): Promise<void> {
  await store.put(`${folder(run)}${leftName(life)}`, now());
}

/** All lives of a run, in order. */
export async function readLives(store: Store, run: string): Promise<Life[]> {
  const names = new Set<string>();
  for await (const { key } of store.list(folder(run))) names.add(key.slice(folder(run).length));
  const lives: Life[] = [];
  for (const life of await lifeNumbers(store, run)) {
    const left = leftName(life);
    lives.push({
      startedMs: await readDate(store, `${folder(run)}${String(life)}`),
      leftMs: names.has(left) ? await readDate(store, `${folder(run)}${left}`) : null,
    });
  }
  return lives;
}

/**
 * How often all members of a run were lost, and in how long: every life that was not left and was followed by
 * another one ended so. When it did is not known: until the next began.
 */
export function failuresOf(
  lives: readonly Life[],
  nowMs: number,
): { failureCount: number; observedSeconds: number } {
  const seconds = lives.map(({ startedMs, leftMs }, i) => {
    const endMs = leftMs ?? lives[i + 1]?.startedMs ?? nowMs;
    return Math.max(0, endMs - startedMs) / 1_000;
  });
  return {
    failureCount: lives.filter(({ leftMs }, i) => leftMs === null && i + 1 < lives.length).length,
    observedSeconds: seconds.reduce((sum, value) => sum + value, 0),
  };
}

async function lifeNumbers(store: Store, run: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of store.list(folder(run))) {
    const found = /^(\d+)$/.exec(key.slice(folder(run).length))?.[1];
    if (found !== undefined) numbers.push(Number(found));
  }
  return numbers.sort((a, b) => a - b);
}

async function readDate(store: Store, key: string): Promise<number> {
  const ms = Date.parse(new TextDecoder().decode(await store.get(key)).trim());
  return Number.isNaN(ms) ? 0 : ms;
}

const now = (): string => `${new Date().toISOString()}\n`;
