import type { Clock } from '@lvnet/core';
import type { Job, Registry } from '@lvnet/queue';

const askMs = 400;

/** A job is an invitation: is what it asks for still wanted? */
export async function isStillWanted(registry: Registry, job: Job): Promise<boolean> {
  const entry = await registry.run(job.run);
  return entry === undefined || !over.has(entry.state);
}

const over: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled']);

/**
 * Is a member of this slot wanted? An unknown run is not begun, but not left either: control Redis may have
 * come back empty.
 */
export async function isWantedMember(registry: Registry, job: Job, begun = false): Promise<boolean> {
  if (job.kind !== 'train') return true;
  const entry = await registry.run(job.run);
  if (entry === undefined) return begun;
  return entry.state === 'running' && job.slot < entry.slots;
}

/** Asks again and again until the signal aborts; tells when the member is wanted no more. */
export async function watchRelease(
  registry: Registry,
  job: Job,
  clock: Clock,
  signal: AbortSignal,
  onReleased: () => void,
): Promise<void> {
  while (!signal.aborted) {
    const wanted = await isWantedMember(registry, job, true).catch(() => true); // unreachable Redis releases nobody
    if (!wanted) onReleased();
    await clock.sleep(askMs, signal).catch(() => undefined);
  }
}
