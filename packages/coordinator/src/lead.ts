import { Failure, type Clock } from '@lvnet/core';
import type { Leadership } from '@lvnet/queue';

/** Whether this process leads, by its own clock: never for longer than the lease it was given. */
export interface Lead {
  /** The fencing number; undefined while another leads or the lease may be over. */
  fence(): number | undefined;
  /** Renews the lock, or tries to take it, until the signal aborts. A slow turn does not lose the lead so. */
  keep(signal: AbortSignal): Promise<void>;
}

export function createLead(
  leadership: Leadership,
  clock: Clock,
  o: { everyMs: number; onFailed: (error: unknown) => void },
): Lead {
  let held: { fence: number; untilMs: number } | undefined;
  const renew = async () => {
    const askedMs = clock.monotonicMs();
    const fence = await leadership.hold();
    held = fence === undefined ? undefined : { fence, untilMs: askedMs + leadership.leaseMs };
  };
  return {
    fence: () => (held !== undefined && clock.monotonicMs() < held.untilMs ? held.fence : undefined),
    async keep(signal) {
      while (!signal.aborted) {
        await renew().catch(o.onFailed);
        await clock.sleep(o.everyMs, signal).catch(() => undefined);
      }
    },
  };
}

/** This turn was decided upon a lead that is over: what it has not done yet is another's business. */
export function lostLead(): Failure {
  return new Failure('COORDINATOR_ABSENT', {}, { message: 'The lead was lost in the middle of a turn.' });
}
