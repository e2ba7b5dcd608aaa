import { asFailure } from '@lvnet/core';
import { keys } from '@lvnet/redis';
import { bucketTable } from './buckets.js';
import { createContext, type Context, type SessionParts } from './context.js';
import { join } from './joining.js';
import type { ToThread } from './messages.js';
import { createStepping } from './stepping.js';
import { rankOf, without } from './view.js';

const beatMs = 400;

/**
 * The protocol of one member. Lives in a thread of its own, so that leases, messages and sums go on while
 * the main thread computes for seconds.
 */
export interface Session {
  receive(message: ToThread): void;
}

export function createSession(parts: SessionParts): Session {
  const context = createContext(parts);
  const stepping = createStepping(context, bucketTable(parts.options.length));
  const guarded = (work: Promise<void>) => {
    work.catch((error: unknown) => {
      const failure = asFailure(error);
      if (failure.code === 'MEMBER_EVICTED') context.seated = false;
      context.send({ kind: 'failed', failure: failure.toJSON() });
    });
  };
  const settled = (work: Promise<boolean | void>) => {
    guarded(
      work.then((committed) => {
        context.send({ kind: 'settled', committed: committed === true });
      }),
    );
  };
  const rejoin = async () => {
    await stepping.reset();
    await join(context);
  };
  void beat(context);
  return {
    receive(message) {
      switch (message.kind) {
        case 'join':
          guarded(rejoin());
          return;
        case 'cancel':
          context.cancelled = true;
          context.wake();
          return;
        case 'reduce':
          guarded(stepping.reduce(message.step, message.weightsSha256));
          return;
        case 'leaf': {
          const values = new Float32Array(message.buffer);
          stepping.leaf(message.step, message.shard, values, message.seconds, message.finite);
          return;
        }
        case 'commit':
          settled(stepping.commit(message.step, message.attempt));
          return;
        case 'discard':
          settled(stepping.discard(message.step, message.attempt, message.shard, message.loss));
          return;
        case 'skip':
          settled(stepping.skip(message.step, message.shard));
          return;
        case 'founded':
        case 'snapshot':
        case 'refused':
          context.answer(message);
          return;
        case 'leave':
          guarded(leave(context, message.finished));
          return;
        case 'close':
          context.closed = true;
          context.link.close();
          context.wake();
          return;
      }
    },
  };
}

/** Renews the lease, or the place among the standbys, as long as this session has one. */
async function beat(context: Context): Promise<void> {
  while (!context.closed) {
    if (context.seated) await context.renew().catch(() => undefined);
    await context.clock.sleep(beatMs);
  }
}

/** Gives the seat back; the last one of a finished run removes every key of it. */
async function leave(context: Context, finished: boolean): Promise<void> {
  const { options, membership } = context;
  const { worker, shards } = options;
  const wasSeated = context.seated;
  context.seated = false;
  for (let attempt = 0; wasSeated && attempt < 50; attempt++) {
    const found = await context.insist(() => membership.read());
    if (found === undefined || rankOf(found, worker) < 0) break;
    const next = without(found, [worker], context.newId(), shards);
    const why = `${worker} left`;
    if (!(await context.insist(() => context.change(found, next, 'leave', [worker], why)))) continue;
    if (finished && next.members.length === 0) await context.insist(() => removeEverything(context));
    break;
  }
  await context.insist(() => membership.retire());
  context.send({ kind: 'left' });
}

async function removeEverything({ link, options }: Context): Promise<void> {
  let cursor = '0';
  do {
    const reply = await link.command(['SCAN', cursor, 'MATCH', keys.allOfRun(options.run), 'COUNT', 1_000]);
    const [next, names] = reply as [Buffer, Buffer[]];
    cursor = next.toString();
    if (names.length > 0) await link.command(['UNLINK', ...names]);
  } while (cursor !== '0');
}
