import { Failure } from '@lvnet/core';
import { shardsOf } from '@lvnet/exchange';
import type { Segments } from '@lvnet/kernels';
import {
  bucketTable,
  checkedShard,
  createPeerMemory,
  createSession,
  exchangeOver,
  type FromThread,
  type SessionOptions,
  type SessionPort,
} from '@lvnet/exchange/testing';
import { createCheckpointKeeper, trainAsMember, type Course } from '@lvnet/training/testing';
import type { SimRedis } from './sim-redis.js';
import type { SimStore } from './sim-store.js';
import {
  decodeToy,
  encodeToy,
  toyHash,
  toyLeaf,
  toyLength,
  toyNext,
  toyStart,
  type ToyState,
} from './toy.js';
import type { SimProcess, World } from './world.js';

export interface Plan {
  steps: number;
  shards: number;
  everySteps: number;
  wanted: number;
  wire: 'float32' | 'bf16';
  /** Shards whose samples are bad, as step:shard; they are left out. */
  badShards: ReadonlySet<string>;
  checkEverySteps: number;
}

/** What a member's computing may suffer. */
export interface Device {
  /** Milliseconds for one leaf. */
  leafMs(): number;
  /** A leaf that comes out wrong this once: not finite. */
  isPoisoned(step: number, shard: number): boolean;
  /** A leaf that comes out finite and wrong this once; `isFirst`: this member's first result for it in the step. */
  isWrong(step: number, shard: number, isFirst: boolean): boolean;
}

export interface MemberEvents {
  onCommit(process: SimProcess, life: number, state: ToyState, hash: string): void;
  onFinished(process: SimProcess, state: ToyState): void;
  onFailure(process: SimProcess, error: unknown): void;
  /** Its session finds that its computing will not end. */
  onHung(process: SimProcess): void;
  onFact(process: SimProcess, fact: Extract<FromThread, { kind: 'fact' }>['fact']): void;
  onNote(process: SimProcess, text: string): void;
}

export interface SimMember {
  process: SimProcess;
  worker: string;
  /** Asks it to leave after its step. */
  leave(): void;
}

const run = 'sim';

/** A whole member: the session in its thread, the training in the other, both real; network and model are toys. */
export function startMember(
  world: World,
  process: SimProcess,
  worker: string,
  parts: {
    plan: Plan;
    redis: SimRedis;
    store: SimStore;
    /** What the processes of its machine share; undefined: nothing. */
    segments: Segments | undefined;
    device: Device;
    events: MemberEvents;
  },
): SimMember {
  const { plan, redis, store, segments, device, events } = parts;
  const leaving = new AbortController();
  train()
    .catch((error: unknown) => {
      if (process.isAlive()) events.onFailure(process, error);
    })
    .finally(() => {
      process.kill();
    });
  return {
    process,
    worker,
    leave: () => {
      leaving.abort();
    },
  };

  async function train(): Promise<void> {
    const hasLived = await insist(() => store.lives.size > 0);
    const options: SessionOptions = {
      ...{ run, worker, shards: plan.shards, length: toyLength, roundedLength: 2, wire: plan.wire, hasLived },
      ...{ minMembers: 1, wantedMembers: plan.wanted, gatherMs: 1_500, leaseMs: 2_500, firstLeafSeconds: 8 },
      ...{ checkEverySteps: plan.checkEverySteps, terms: {} },
      sums: [new SharedArrayBuffer(4 * toyLength), new SharedArrayBuffer(4 * toyLength)],
    };
    let current: ToyState | undefined;
    const exchange = exchangeOver(
      openPort(options),
      options,
      {
        foundLife: async () => ({ life: await claimLife(), step: (await newest()).step }),
        snapshot: () => {
          if (current === undefined) throw new Failure('EXCHANGE_LOST', {}, { message: 'no state yet' });
          return { step: current.step, bytes: encodeToy(current) };
        },
        onReport: (fact) => {
          events.onFact(process, fact);
        },
      },
      process.clock,
    );
    const keeper = createCheckpointKeeper<ToyState>({
      isSettled: (step) => store.call(process, () => (store.checkpoints.has(step) ? 'complete' : 'open')),
      write: (state) => store.call(process, () => void store.checkpoints.set(state.step, encodeToy(state))),
      onWritten: () => undefined,
      onFailed: () => undefined,
      now: process.clock.now,
      monotonicMs: process.clock.monotonicMs,
    });
    const course: Course<ToyState, 'end'> = {
      begin: async (seat) => {
        if (seat.state !== null) return decodeToy(seat.state);
        if (seat.step === 0) return toyStart();
        return insist(() => decodeToy(store.checkpoints.get(seat.step) as Uint8Array));
      },
      step: (state) => stepOnce(exchange, state),
      copy: ({ step, weights }) => ({ step, weights: weights.slice() }),
      adjourn: () => Promise.resolve(),
      isDue: (step) => step % plan.everySteps === 0,
      endOf: (state) => Promise.resolve(state.step >= plan.steps ? 'end' : undefined),
      finish: (state) => {
        events.onFinished(process, state);
        return Promise.resolve();
      },
      convict: (_state, failure) => Promise.resolve({ isGuilty: false, failure }),
      note: (text) => {
        events.onNote(process, text);
      },
    };
    await trainAsMember({
      ...{ course, exchange, keeper, mostPending: 2 },
      clock: process.clock,
      signal: leaving.signal,
      onState: (state) => (current = state),
    });
    await exchange.close();
  }

  /** Somebody else computes, too: what is wrong can be found out. */
  function hasCompany(exchange: ReturnType<typeof exchangeOver>, step: number): boolean {
    const view = exchange.view();
    if (view === undefined) return false;
    const active = view.members.filter(
      (member) => shardsOf(view, member.worker, step, plan.shards).length > 0,
    );
    return active.length > 1;
  }

  async function stepOnce(exchange: ReturnType<typeof exchangeOver>, state: ToyState): Promise<ToyState> {
    const step = state.step + 1;
    const before = new Set<number>();
    for (;;) {
      const found = await exchange.reduce(step, toyHash(state), async (shard, out, skipped) => {
        await process.clock.sleep(device.leafMs());
        toyLeaf(state, shard, skipped, out);
        const isBad = plan.badShards.has(`${String(step)}:${String(shard)}`) && !skipped;
        const isCompared = shard === checkedShard(step, plan.checkEverySteps, plan.shards);
        const isFirst = !before.has(shard);
        if (!skipped) before.add(shard);
        if (isCompared && !skipped && !isBad && hasCompany(exchange, step))
          if (device.isWrong(step, shard, isFirst)) out[0] = (out[0] ?? 0) + 1;
        return !isBad && !(device.isPoisoned(step, shard) && !skipped);
      });
      if (found.kind === 'badShard') {
        await exchange.skip(step, found.shard);
        continue;
      }
      if (!(await exchange.commit(step, found.attempt))) continue;
      const next = toyNext(state, found.sum);
      events.onCommit(process, found.view.life, next, toyHash(next));
      const { retry } = found.view;
      const isBlamed =
        retry?.step === step &&
        retry.barred.some((item) => item.worker === worker && !retry.skip.includes(item.shard));
      if (isBlamed && found.view.members.length > 1)
        throw new Failure('MEMBER_BLAMED', {}, { message: 'computed wrongly' });
      return next;
    }
  }

  function openPort(options: SessionOptions): SessionPort {
    let toMember: (message: FromThread) => void = () => undefined;
    const wire = { format: options.wire, roundedLength: options.roundedLength };
    const token = Uint8Array.from({ length: 16 }, () => world.random.below(256));
    const peers =
      segments === undefined
        ? undefined
        : createPeerMemory(segments, bucketTable(options.length), wire, token);
    process.onKilled(() => peers?.close());
    const session = createSession({
      options,
      peers,
      connect: async () => {
        const [commands, messages] = await Promise.all([redis.connect(process), redis.connect(process)]);
        await messages.command(['SUBSCRIBE', `{${run}}:n:${worker}`]);
        await messages.command(['SUBSCRIBE', `{${run}}:n`]);
        return { commands, messages, id: String(commands.id) };
      },
      clock: process.clock,
      onHung: () => {
        events.onHung(process);
      },
      newId: () => String(world.random.next()),
      send: (message) => {
        process.later(0.05, 'message', () => {
          toMember(message);
        });
      },
    });
    return {
      post: (message) => {
        process.later(0.05, 'message', () => {
          session.receive(message);
        });
      },
      listen: (onMessage) => (toMember = onMessage),
      close: () => {
        session.receive({ kind: 'close' });
        return Promise.resolve();
      },
    };
  }

  async function newest(): Promise<ToyState> {
    return insist(() => {
      const step = Math.max(0, ...store.checkpoints.keys());
      return step === 0 ? toyStart() : decodeToy(store.checkpoints.get(step) as Uint8Array);
    });
  }
  function claimLife(): Promise<number> {
    return insist(() => {
      const life = Math.max(0, ...store.lives) + 1;
      store.lives.add(life);
      return life;
    });
  }
  async function insist<T>(work: () => T): Promise<T> {
    for (;;) {
      try {
        return await store.call(process, work);
      } catch {
        await process.clock.sleep(300);
      }
    }
  }
}
