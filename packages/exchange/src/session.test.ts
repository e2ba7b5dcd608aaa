import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { fakeClock } from '@lvnet/core';
import { createSession } from './session.js';

/** A session whose main thread may answer, on a machine that may sleep: what it found, in words. */
function watched(o: { answers: () => boolean }) {
  const clock = fakeClock();
  let asleepMs = 0;
  const told: string[] = [];
  const session = createSession({
    options: {
      ...{ run: 'r', worker: 'w', shards: 2, length: 8, roundedLength: 0, wire: 'float32' },
      ...{ minMembers: 1, wantedMembers: 1, gatherMs: 0, leaseMs: 2_500, firstLeafSeconds: 2 },
      ...{ terms: {}, checkEverySteps: 50, hasLived: false },
      sums: [new SharedArrayBuffer(32), new SharedArrayBuffer(32)],
    },
    connect: () => new Promise(() => undefined),
    peers: undefined,
    onHung: () => void told.push('hung'),
    clock: { ...clock, monotonicMs: () => clock.monotonicMs() + asleepMs },
    newId: () => 'id',
    send(message) {
      if (message.kind === 'fact' && message.fact.kind === 'slept')
        told.push(`slept ${message.fact.seconds.toFixed(0)} s`);
      // An answer comes as a message does, after the timers that are due.
      if (message.kind === 'ping' && o.answers()) void setImmediate().then(pong);
    },
  });
  function pong() {
    session.receive({ kind: 'pong' });
  }
  return {
    told,
    pong,
    pass: async (durationMs: number) => {
      for (let ms = 0; ms < durationMs; ms += 100) {
        await clock.advance(100);
        await setImmediate();
      }
    },
    sleep: (durationMs: number) => void (asleepMs += durationMs),
    close: () => {
      session.receive({ kind: 'close' });
    },
  };
}

describe('a session', () => {
  it('does not hold a sleep of the whole process against the main thread', async () => {
    let answers = true;
    const { told, pass, sleep, pong, close } = watched({ answers: () => answers });
    await pass(1_000);
    answers = false;
    await pass(500); // asked, and put to sleep before the answer
    sleep(20_000);
    await pass(500);
    answers = true;
    pong();
    await pass(30_000);
    assert.deepEqual(told, ['slept 20 s']);
    close();
  });

  it('finds a main thread that hangs, also behind a sleep', async () => {
    const { told, pass, sleep, close } = watched({ answers: () => false });
    await pass(16_000);
    sleep(20_000);
    await pass(500);
    assert.deepEqual(told, ['slept 20 s']);
    await pass(1_500);
    assert.equal(told[1], 'hung');
    close();
  });
});
