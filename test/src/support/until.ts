import { sleep } from '@lvnet/core';

/** Waits until the condition holds; one that throws does not hold yet. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const pause = pauseAfterLook(20);
    if (await isTrue(holds)) return;
    if (performance.now() > endMs) throw new Error(`not within ${String(limitMs)} ms: ${holds.toString()}`);
    await pause();
  }
}

/** Begins a look; the pause after it is so long that looking takes a sixth of the time at most. */
export function pauseAfterLook(leastMs: number): () => Promise<void> {
  const startMs = performance.now();
  return () => sleep(Math.max(leastMs, 5 * (performance.now() - startMs)));
}

async function isTrue(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await holds();
  } catch {
    return false;
  }
}
