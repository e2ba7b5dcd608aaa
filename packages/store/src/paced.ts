import { systemClock, type Clock } from '@lvnet/core';

/** Small enough that a link or a disk is never busy with one piece for long. */
const pieceBytes = 128 * 1024;

/**
 * The body in pieces, no faster than a budget allows: a piece comes once what went before it has had its time.
 *
 * @param bytesPerSecond the budget; above 0
 * @throws Failure('CANCELLED') when the signal aborts while it waits
 */
export async function* paced(
  body: Uint8Array,
  bytesPerSecond: number,
  o: { clock?: Clock; signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  const clock = o.clock ?? systemClock;
  const startMs = clock.monotonicMs();
  for (let sent = 0; sent < body.byteLength; sent += pieceBytes) {
    const waitMs = startMs + (sent / bytesPerSecond) * 1_000 - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, o.signal);
    yield body.subarray(sent, Math.min(body.byteLength, sent + pieceBytes));
  }
}
