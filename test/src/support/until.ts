import { sleep } from '@lvnet/core';

/** Waits until the condition holds; one that throws does not hold yet. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await isTrue(holds))) {
    if (performance.now() > endMs) throw new Error(`not within ${String(limitMs)} ms: ${holds.toString()}`);
    await sleep(20);
  }
}

async function isTrue(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await holds();
  } catch {
    return false;
  }
}
