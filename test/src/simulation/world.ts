import { Failure, type Clock } from '@lvnet/core';

/** Virtual time and everything that is to happen in it, in one order that depends on the seed alone. */
export interface World {
  nowMs: () => number;
  /** Runs a function later; events of the same moment run in the order in which they were made. */
  after(delayMs: number, run: () => void): void;
  random: Random;
  /** Runs events until the condition holds or the time is up; true when it holds. */
  run(untilMs: number, isOver: () => boolean): Promise<boolean>;
  events(): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  below(bound: number): number;
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** xorshift128: small and quick, for schedules only. */
export function createRandom(seed: number): Random {
  let [x, y, z, w] = [seed | 0 || 1, 362436069, 521288629, (seed * 2654435761) | 0];
  const next = () => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ (t ^ (t >>> 8));
    return (w >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 16; i++) next();
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    next,
    below,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
  };
}

interface Event {
  atMs: number;
  order: number;
  run: () => void;
}

/** Turns that are asked for at once: a turn of Node's own loop for each event took a tenth of the time. */
const turnsAtOnce = 64;

/** Calls a function until it says that it is over; before each call all promises go on that can. */
function takeTurns(turn: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let isOver = false;
    const one = () => {
      if (isOver || !turn()) return;
      isOver = true;
      resolve();
    };
    const many = () => {
      if (isOver) return;
      for (let i = 0; i < turnsAtOnce; i++) setImmediate(one);
      setImmediate(many);
    };
    many();
  });
}

export function createWorld(seed: number): World {
  const heap: Event[] = [];
  let nowMs = 0;
  let order = 0;
  let count = 0;
  return {
    nowMs: () => nowMs,
    events: () => count,
    random: createRandom(seed),
    after(delayMs, run) {
      push(heap, { atMs: nowMs + Math.max(0, delayMs), order: order++, run });
    },
    async run(untilMs, isOver) {
      let holds = false;
      await takeTurns(() => {
        holds = isOver();
        const event = holds ? undefined : pop(heap);
        if (event === undefined || event.atMs > untilMs) return true;
        nowMs = event.atMs;
        count++;
        event.run();
        return false;
      });
      return holds;
    },
  };
}

const isBefore = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent] as Event)) break;
    heap[at] = heap[parent] as Event;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
    if (!isBefore(heap[child] as Event, last)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
  return top;
}

/** A process: what happens to it can be held up (SIGSTOP) or ended (kill -9). */
export interface SimProcess {
  readonly name: string;
  readonly clock: Clock;
  isAlive(): boolean;
  isStopped(): boolean;
  /** Runs something in this process later: a timer of its own, or something that reaches it from outside. */
  later(delayMs: number, kind: 'timer' | 'message', run: () => void): void;
  /** The same at once; in a stopped process once it goes on. */
  reach(kind: 'timer' | 'message', run: () => void): void;
  kill(): void;
  stop(): void;
  cont(): void;
  onKilled(listener: () => void): void;
}

export function createProcess(world: World, name: string): SimProcess {
  let alive = true;
  let stopped = false;
  let held: { kind: 'timer' | 'message'; run: () => void }[] = [];
  const listeners: (() => void)[] = [];
  const reach = (kind: 'timer' | 'message', run: () => void) => {
    if (!alive) return;
    if (stopped) held.push({ kind, run });
    else run();
  };
  const later = (delayMs: number, kind: 'timer' | 'message', run: () => void) => {
    world.after(delayMs, () => {
      reach(kind, run);
    });
  };
  return {
    name,
    clock: {
      now: () => 1.7e12 + world.nowMs(),
      monotonicMs: world.nowMs,
      sleep: (durationMs, signal) =>
        new Promise((resolve, reject) => {
          const onAbort = () => {
            reject(new Failure('CANCELLED', {}, { message: 'The wait was cancelled.' }));
          };
          if (signal?.aborted === true) {
            onAbort();
            return;
          }
          signal?.addEventListener('abort', onAbort, { once: true });
          later(durationMs, 'timer', () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          });
        }),
    },
    isAlive: () => alive,
    isStopped: () => stopped,
    later,
    reach,
    kill() {
      if (!alive) return;
      alive = false;
      held = [];
      for (const listener of listeners) listener();
    },
    stop() {
      stopped = true;
    },
    cont() {
      if (!stopped) return;
      stopped = false;
      // Timers that are due run before what came meanwhile, as they do in Node.
      const due = [
        ...held.filter((item) => item.kind === 'timer'),
        ...held.filter((item) => item.kind === 'message'),
      ];
      held = [];
      for (const { kind, run } of due) later(0, kind, run);
    },
    onKilled: (listener) => void listeners.push(listener),
  };
}
