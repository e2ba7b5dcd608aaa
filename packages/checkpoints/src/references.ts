import type { Store } from '@lvnet/store';

const folder = (run: string): string => `runs/${run}/references/`;

/**
 * Says that another run was made from a step of this one, so that the checkpoint from which the step can be
 * done again stays.
 *
 * @param by the run that refers to it
 */
export async function referTo(store: Store, run: string, step: number, by: string): Promise<void> {
  await store.put(`${folder(run)}${String(step)}-${by}`, '');
}

/** Steps of a run that others refer to. */
export async function referredSteps(store: Store, run: string): Promise<number[]> {
  const steps = new Set<number>();
  for await (const { key } of store.list(folder(run))) {
    const step = /^(\d+)-/.exec(key.slice(folder(run).length))?.[1];
    if (step !== undefined) steps.add(Number(step));
  }
  return [...steps].sort((a, b) => a - b);
}
