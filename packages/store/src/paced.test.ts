import assert from 'node:assert/strict';
import type { Clock } from '@lvnet/core';
import { paced } from './paced.js';

const kib = 1024;

describe('a body within a byte budget', () => {
  const rows = [
    { what: 'nothing', bytes: 0, perSecond: kib, pieces: 0, lastMs: 0 },
    { what: 'less than a piece', bytes: 100, perSecond: 10, pieces: 1, lastMs: 0 },
    { what: 'a piece and a byte', bytes: 128 * kib + 1, perSecond: 64 * kib, pieces: 2, lastMs: 2_000 },
    { what: 'a megabyte at one a second', bytes: 1024 * kib, perSecond: 1024 * kib, pieces: 8, lastMs: 875 },
    { what: 'twice as fast', bytes: 1024 * kib, perSecond: 2048 * kib, pieces: 8, lastMs: 437.5 },
  ];
  for (const { what, bytes, perSecond, pieces, lastMs } of rows) {
    it(`comes whole and in time: ${what}`, async () => {
      const body = Uint8Array.from({ length: bytes }, (_, i) => i % 251);
      const clock = sleepingClock();
      const got: Uint8Array[] = [];
      for await (const piece of paced(body, perSecond, { clock })) got.push(piece);
      assert.equal(got.length, pieces);
      assert.equal(clock.now(), lastMs);
      assert.ok(Buffer.concat(got).equals(body));
    });
  }

  it('makes up for a slow reader, and no more', async () => {
    const clock = sleepingClock();
    const pieces = paced(new Uint8Array(512 * kib), 128 * kib, { clock });
    const times: number[] = [];
    for await (const piece of pieces) {
      assert.equal(piece.byteLength, 128 * kib);
      times.push(clock.now());
      if (times.length === 1) await clock.sleep(1_500); // the second piece was due at 1 s
    }
    assert.deepEqual(times, [0, 1_500, 2_000, 3_000]);
  });
});

/** Time goes by only where somebody sleeps. */
function sleepingClock(): Clock {
  let nowMs = 0;
  const read = () => nowMs;
  return {
    now: read,
    monotonicMs: read,
    sleep: (durationMs) => {
      nowMs += durationMs;
      return Promise.resolve();
    },
  };
}
