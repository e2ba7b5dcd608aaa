import { sleep } from '@lvnet/core';

/** Waits until the condition holds; one that throws does not hold yet. */
export async function until(holds: () => boolean, limitMs = 15_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!isTrue(holds)) {
    if (performance.now() > endMs) throw new Error(`not within ${String(limitMs)} ms: ${holds.toString()}`);
    await sleep(20);
  }
}

function isTrue(holds: () => boolean): boolean {
  try {
    return holds();
  } catch {
    return false;
  }
}
