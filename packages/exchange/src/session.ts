import { asFailure } from '@lvnet/core';
import { keys } from '@lvnet/redis';
import { bucketTable } from './buckets.js';
import { giveBack } from './current-view.js';
import { createContext, type Context, type SessionParts } from './context.js';
import { join } from './joining.js';
import type { Replies, Request, ToThread } from './messages.js';
import { createStepping, type Stepping } from './stepping.js';
import { rankOf } from './view.js';

const beatMs = 400;
/** A main thread that hangs for so long beyond its limit is ended, so that its supervisor starts another. */
const hungMs = 15_000;

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
  const perform = async (request: Request): Promise<Replies[keyof Replies]> => {
    switch (request.kind) {
      case 'join':
        await stepping.reset();
        return join(context);
      case 'reduce':
        return stepping.reduce(request.step, request.weightsSha256);
      case 'commit':
        return stepping.commit(request.step, request.attempt);
      case 'discard':
        return stepping.discard(request.step, request.attempt, request.shard, request.loss);
      case 'skip':
        return stepping.skip(request.step, request.shard);
      case 'leave':
        return leave(context, request.finished);
    }
  };
  void beat(context, stepping);
  return {
    receive(message) {
      switch (message.kind) {
        case 'request': {
          const { id } = message;
          perform(message.request).then(
            (reply) => {
              context.send({ kind: 'reply', id, reply });
            },
            (error: unknown) => {
              const failure = asFailure(error);
              if (failure.code === 'MEMBER_EVICTED') context.seated = false;
              context.send({ kind: 'failed', id, failure: failure.toJSON() });
            },
          );
          return;
        }
        case 'cancel':
          context.cancelled = true;
          context.wake();
          return;
        case 'leaf':
          stepping.leaf(message);
          return;
        case 'founded':
        case 'snapshot':
        case 'refused':
          context.answer(message);
          return;
        case 'pong':
          context.pingedMs = undefined;
          return;
        case 'close':
          context.closed = true;
          context.link.close();
          context.peers?.close();
          context.wake();
          return;
      }
    },
  };
}

/** Renews the lease, or the place among the standbys, as long as this session has one. */
async function beat(context: Context, stepping: Stepping): Promise<void> {
  while (!context.closed) {
    if (context.seated || context.isJoining) await context.renew().catch(() => undefined);
    context.ping();
    if (context.hangingMs() > hungMs) context.onHung(context.hangingMs() / 1_000);
    // A lost seat or connection shows in the next request.
    await stepping.watch().catch(() => undefined);
    const dueMs = context.clock.monotonicMs() + beatMs;
    await context.clock.sleep(beatMs);
    context.noticeSleep(dueMs);
  }
}

/** Gives the seat back, true for the last one; that of a finished run removes every key of it. */
async function leave(context: Context, finished: boolean): Promise<boolean> {
  const { options, membership } = context;
  const { worker } = options;
  const wasSeated = context.seated;
  let isEmpty = false;
  context.seated = false;
  for (let attempt = 0; wasSeated && attempt < 50; attempt++) {
    const found = await context.insist(() => membership.read());
    if (found === undefined || rankOf(found, worker) < 0) break;
    if (!(await context.insist(() => giveBack(context, found, `${worker} left`)))) continue;
    isEmpty = found.members.length === 1;
    if (finished && isEmpty) await context.insist(() => removeEverything(context));
    break;
  }
  await context.insist(() => membership.retire());
  return isEmpty;
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
