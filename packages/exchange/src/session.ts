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

<<<<<<< HEAD
export function createSession(options: SessionOptions, send: (message: FromThread) => void): Session {
  const { run, worker, shards } = options;
  const buckets = bucketTable(options.length);
  const wire = { format: options.wire, roundedLength: options.roundedLength };
  const sumOf = (step: number) => new Float32Array(options.sums[step % 2 === 0 ? 0 : 1]);
  let view: View | undefined;
  let seated = false;
  let viewIsOld = true;
  let current: StepExchange | undefined;
  let previous: { step: number; weightsSha256: string; life: number; attempt: number } | undefined;
  let cancelled = false;
  const isCancelled = () => cancelled;
  let closed = false;
  let wakeUp: () => void = () => undefined;
  let woken = false; // something happened while nobody was waiting
  let answer: ((message: ToThread) => void) | undefined;
  let amnestyUntilMs = 0;
  let invitedMs = 0;
  const written = new Map<number, string[]>();

  const report = (fact: ExchangeFact) => {
    send({ kind: 'fact', fact });
  };
  const link: Link = createLink(options.redisUrl, run, worker, {
    onMessage(payload) {
      if (payload === 'view') viewIsOld = true;
      else current?.announced(payload);
      wake();
    },
    onLost(message) {
      report({ kind: 'disconnected', message });
    },
    async onReconnected() {
      report({ kind: 'reconnected' });
      if (view !== undefined && seated) await membership.restore(view);
      await membership.renew(seated);
      current?.forgetSent();
      await resendPrevious();
      viewIsOld = true;
    },
  });
  const membership: Membership = createMembership(link, run, worker, options.leaseMs);

  /** Others may still need the sums of the step before, and the server may have lost them. */
  const resendPrevious = async () => {
    if (previous === undefined || view === undefined || view.members.length < 2) return;
    const { step, weightsSha256, ...position } = previous;
    const sum = sumOf(step);
    for (const bucket of buckets) {
      const message = encodePart(wire, bucket, sum.subarray(bucket.start, bucket.end), weightsSha256);
      await link.command(
        'SET',
        keys.reduced(run, { step, ...position }, bucket.index),
        message,
        'EX',
        stateSeconds,
      );
    }
  };

  const wake = () => {
    woken = true;
    wakeUp();
  };
  const pause = async (durationMs: number) => {
    if (woken) {
      woken = false;
      return;
    }
    const startMs = performance.now();
    const done = new AbortController();
    await Promise.race([
      sleep(durationMs, done.signal).catch(() => undefined),
      new Promise<void>((resolve) => (wakeUp = resolve)),
    ]);
    done.abort();
    woken = false;
    if (performance.now() - startMs > durationMs + sleptMs) amnestyUntilMs = performance.now() + amnestyMs;
  };
  const ask = (message: FromThread): Promise<ToThread> =>
    new Promise((resolve, reject) => {
      answer = (reply) => {
        answer = undefined;
        if (reply.kind !== 'refused') resolve(reply);
        else reject(failureOf(reply.failure));
      };
      send(message);
    });
  /** Repeats work until it goes through; only a Failure ends it, a lost connection is waited out. */
  const insist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      await link.ready();
      if (closed) throw new Failure('CANCELLED', {}, { message: 'The exchange was closed.' });
      try {
        return await work();
      } catch (error) {
        if (error instanceof Failure) throw error;
        await sleep(tickMs);
      }
    }
  };
  const adopt = (next: View, reason: 'founded' | 'join' | 'leave' | 'lost', workers: readonly string[]) => {
    view = next;
    viewIsOld = false;
    report({ kind: 'view', view: next, reason, workers }); // whoever changes a view tells of it, once
  };
  const change = async (
    before: View | undefined,
    next: View,
    reason: 'founded' | 'join' | 'leave' | 'lost',
    workers: readonly string[],
  ): Promise<boolean> => {
    if (!(await membership.replace(before, next))) {
      viewIsOld = true;
      return false;
    }
    adopt(next, reason, workers);
    await membership.announce('view');
    return true;
  };

  // ---- taking a seat

  const join = async () => {
    [seated, cancelled, view, previous] = [false, false, undefined, undefined];
    const startMs = performance.now();
    for (;;) {
      if (isCancelled()) throw new Failure('CANCELLED', {}, { message: 'The wait for a seat was given up.' });
      const taken = await insist(() => tryJoin(performance.now() - startMs));
      if (taken) return;
      await pause(standbyPollMs);
    }
  };
  const tryJoin = async (waitedMs: number): Promise<boolean> => {
    await membership.renew(false);
    const found = await membership.read();
    const me = found?.members.find((member) => member.worker === worker);
    if (found !== undefined && me !== undefined) return takeSeat(found, me.fromStep - 1, me.source);
    if (found !== undefined && found.members.length > 0) {
      const dead = await membership.findDead(found.members.map((member) => member.worker));
      if (dead.length < found.members.length) return false; // somebody lives and will invite us
    }
    return foundLife(found, waitedMs);
  };
  const foundLife = async (before: View | undefined, waitedMs: number): Promise<boolean> => {
    const standbys = await membership.standbys();
    if (standbys[0] !== worker) return false;
    const most = Math.min(options.wantedMembers, shards);
    const enough =
      standbys.length >= most || (standbys.length >= options.minMembers && waitedMs >= options.gatherMs);
    if (!enough) return false;
    const reply = await ask({ kind: 'found' });
    if (reply.kind !== 'founded') return false;
    const workers = standbys.slice(0, most);
    const next = firstView(before, reply.life, workers, reply.step, randomId());
    if (!(await change(before, next, 'founded', workers))) return false;
    return takeSeat(next, reply.step, 'checkpoint');
  };
  const takeSeat = async (found: View, step: number, source: 'checkpoint' | 'peer'): Promise<boolean> => {
    const state = source === 'peer' ? await link.command('GET', keys.state(run, step)) : null;
    if (source === 'peer' && !Buffer.isBuffer(state)) {
      // The state that we were invited with is gone: stand by again.
      await change(found, without(found, [worker], randomId()), 'leave', [worker]);
      return false;
    }
    seated = true;
    view = found;
    await membership.renew(true);
    const bytes = Buffer.isBuffer(state) ? new Uint8Array(state) : null;
    send({ kind: 'seat', life: found.life, step, source, state: bytes, view: found });
    return true;
  };

  // ---- a step

  const reduce = async (step: number, weightsSha256: string) => {
    const exchange = createStepExchange(
      { link, run, worker, shards, buckets, wire },
      step,
      weightsSha256,
      sumOf(step),
    );
    current = exchange;
    await insist(() => dropOld(step));
    await insist(() => inviteStandbys(step));
    const asked = new Set<number>();
    let lookedMs = performance.now();
    let shown: string | undefined;
    while (!exchange.isDone()) {
      const now = await insist(seatedView);
      if (shown !== undefined && shown !== now.id) {
        // Who went may have finished this step: then all of it is there, and nothing is computed again.
        await insist(() => exchange.advance(now, true));
        if (exchange.isDone()) break;
      }
      shown = now.id;
      const missing = exchange.missingLeaves(now).filter((shard) => !asked.has(shard));
      if (missing.length > 0) {
        for (const shard of missing) asked.add(shard);
        send({ kind: 'compute', step, shards: missing });
      }
      const lookAround = performance.now() - lookedMs > lookAroundMs;
      if (lookAround) lookedMs = performance.now();
      await insist(() => exchange.advance(now, lookAround));
      if (exchange.isDone()) break;
      if (lookAround) await insist(() => evictDead(now));
      await pause(tickMs);
    }
    const last = view as unknown as View;
    previous = { step, weightsSha256, life: last.life, attempt: last.attempt };
    written.set(step, exchange.written());
    await insist(() => link.command('EVAL', raiseHead, 1, keys.head(run, last.life), step, stateSeconds));
    send({ kind: 'reduced', step, view: last, bytesIn: exchange.bytes.in, bytesOut: exchange.bytes.out });
  };
  const dropOld = async (step: number) => {
    for (const [past, names] of written) {
      if (past > step - 2) continue;
      if (names.length > 0) await link.command('UNLINK', ...names);
      written.delete(past);
    }
  };
  const seatedView = async (): Promise<View> => {
    if (viewIsOld || view === undefined) {
      viewIsOld = false;
      const found = await membership.read();
      if (found === undefined && view !== undefined) await membership.restore(view);
      view = found ?? view;
    }
    if (view === undefined || rankOf(view, worker) < 0) throw evicted(view);
    return view;
  };
  /** The first member lets those in who stand by, while there is room: with its state, at this step. */
  const inviteStandbys = async (step: number) => {
    const before = await seatedView();
    const most = Math.min(options.wantedMembers, shards);
    const soon = performance.now() - invitedMs < inviteEveryMs;
    if (rankOf(before, worker) !== 0 || before.members.length >= most || soon) return;
    invitedMs = performance.now();
    const known = new Set(before.members.map((member) => member.worker));
    const newcomers = (await membership.standbys()).filter((name) => !known.has(name));
    if (newcomers.length === 0) return;
    const reply = await ask({ kind: 'needSnapshot' });
    if (reply.kind !== 'snapshot' || reply.step !== step - 1) return;
    await link.command('SET', keys.state(run, step - 1), reply.bytes, 'EX', stateSeconds);
    const next = withNewcomers(before, newcomers, step, most, randomId());
    await change(before, next, 'join', newcomers);
  };
  const evictDead = async (now: View) => {
    viewIsOld = true; // also catches a view message that was lost
    if (performance.now() < amnestyUntilMs) return;
    const others = now.members.map((member) => member.worker).filter((name) => name !== worker);
    const dead = await membership.findDead(others);
    if (dead.length === 0) return;
    await change(now, without(now, dead, randomId()), 'lost', dead);
  };

  // ---- going away

  const leave = async (finished: boolean) => {
    const wasSeated = seated;
    seated = false;
    for (let attempt = 0; wasSeated && attempt < 50; attempt++) {
      const found = await insist(() => membership.read());
      if (found === undefined || rankOf(found, worker) < 0) break;
      const next = without(found, [worker], randomId());
      if (!(await insist(() => change(found, next, 'leave', [worker])))) continue;
      if (finished && next.members.length === 0) await insist(removeEverything);
      break;
    }
    await insist(() => membership.retire());
    const own = [...written.values()].flat();
    // Others may be a step behind: the keys expire by themselves.
    if (own.length > 0 && finished) await insist(() => link.command('EXISTS', own[0] ?? ''));
    send({ kind: 'left' });
  };
  const removeEverything = async () => {
    let cursor = '0';
    do {
      const reply = await link.command('SCAN', cursor, 'MATCH', keys.allOfRun(run), 'COUNT', 1_000);
      const [next, names] = reply as [Buffer, Buffer[]];
      cursor = next.toString();
      if (names.length > 0) await link.command('UNLINK', ...names);
    } while (cursor !== '0');
  };

=======
export function createSession(parts: SessionParts): Session {
  const context = createContext(parts);
  const stepping = createStepping(context, bucketTable(parts.options.length));
>>>>>>> 43a8a4d (exchange: agreed retries, followers, speculation, measured speed; reads and writes without copies)
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
