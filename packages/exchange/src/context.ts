import { canonicalJson, Failure, type Clock } from '@lvnet/core';
import type { ChangeReason } from './decide.js';
import { createLeafTimes, type LeafTimes } from './leaf-times.js';
import { createLink, type Link, type LinkEvents, type Wires } from './link.js';
import { createMembership, type Membership } from './membership.js';
import { createNeighbours, type Neighbours } from './neighbours.js';
import type { PeerMemory } from './peer-memory.js';
import type { FailureText, FromThread, SessionOptions, ToThread } from './messages.js';
import { parseTensorKey, type TensorKey } from './tensor-keys.js';
import type { View } from './view.js';

export interface SessionParts {
  options: SessionOptions;
  /** Two fresh connections to the tensor server. */
  connect: () => Promise<Wires>;
  /** Memory shared with members on the same machine, where there is such a thing. */
  peers: PeerMemory | undefined;
  /** The main thread hangs for good: it will not end by itself. */
  onHung: (seconds: number) => void;
  clock: Clock;
  /** Random, for views. */
  newId: () => string;
  send: (message: FromThread) => void;
}

/** What a member's session knows and can do, shared by its joining, its steps and its leaving. */
export interface Context extends SessionParts {
  link: Link;
  membership: Membership;
  neighbours: Neighbours;
  leafTimes: LeafTimes;
  /** The view as last read or written; `seated`: this worker acts as a member of it. */
  view: View | undefined;
  viewIsOld: boolean;
  seated: boolean;
  isJoining: boolean;
  cancelled: boolean;
  closed: boolean;
  hasLived: boolean;
  /** Nobody is accused before this: this process slept, or the server is new. */
  trustUntilMs: number;
  progress: { step: number; done: number; startedMs: number | undefined; ready: boolean };
  /** To be called by a timer: when it is far too late, the whole process slept, and others have gone on. */
  noticeSleep(dueMs: number): void;
  /** Since when the main thread has not answered; undefined: it has. */
  pingedMs: number | undefined;
  /** Asks the main thread whether it is there, unless it still owes an answer. */
  ping(): void;
  /** For how long the main thread has been at one thing beyond what its past allows; 0: it has not. */
  hangingMs(): number;
  /** The last step that this member committed in this life. */
  committed: number;
  /** Says it again, after the server lost it. */
  sayCommitted(): Promise<void>;
  /** Announcements by step, for whoever does that step. */
  onAnnounced: (key: TensorKey, sender: string) => void;
  onWanted: (step: number, bucket: number) => void;
  onTaken: (step: number, shard: number) => void;
  onChecked: (step: number) => void;
  /** A key of the run holds what no member wrote; told once. */
  onStrange: (key: string, found: string) => void;
  onReconnected: () => void;
  renew(): Promise<void>;
  wake(): void;
  /** Waits until something happens, `durationMs` at most. */
  pause(durationMs: number): Promise<void>;
  /** Waits for the connection after what is no Failure; tells of a server that refuses, and of what it says again. */
  recover(error: unknown): Promise<void>;
  /** Repeats work until it goes through: a lost connection is waited out, only a Failure ends it. */
  insist<T>(work: () => Promise<T>): Promise<T>;
  /** Replaces the view and tells everybody; false where somebody else was faster. */
  change(
    before: View | undefined,
    next: View,
    reason: ChangeReason,
    workers: readonly string[],
    why: string,
  ): Promise<boolean>;
  /** Makes a view that is on the server this member's own, and tells everybody. */
  adopt(next: View, reason: ChangeReason, workers: readonly string[], why: string): Promise<true>;
  /** Sends a question to the main thread. @throws Failure what it answers with `refused` */
  ask(message: FromThread): Promise<ToThread>;
  answer(message: ToThread): void;
}

const tickMs = 25;
/** After a pause that took so much too long this process was asleep, and others have gone on without it. */
const sleptMs = 400;
const amnestyMs = 1_000;
/** A server that came back has no leases yet: everybody gets the time to renew. */
const newServerMs = 2_500;
const keepSeconds = 120;
const refusalEveryMs = 10_000;
/** So long the others get to say again what they committed. */
const mendMs = 200;

export function createContext(parts: SessionParts): Context {
  const { options, clock, send } = parts;
  let wakeUp: () => void = () => undefined;
  let woken = false; // something happened while nobody was waiting
  let onAnswer: ((message: ToThread) => void) | undefined;
  let lastError: string | undefined;
  let refusalMs = Number.NEGATIVE_INFINITY;
  let alarmMs: number | undefined;
  let awakeMs = Number.NEGATIVE_INFINITY; // since the last sleep that was noticed
  const strange = new Set<string>();

  /** One timer at a time: an earlier one than asked for does no harm. */
  const setAlarm = (durationMs: number) => {
    if (alarmMs !== undefined) return;
    const dueMs = clock.monotonicMs() + durationMs;
    alarmMs = dueMs;
    void clock.sleep(durationMs).then(() => {
      alarmMs = undefined;
      context.noticeSleep(dueMs);
      wakeUp();
    });
  };

  const events: LinkEvents = {
    onMessage(payload) {
      hear(context, payload);
      context.wake();
    },
    onLost(message) {
      send({ kind: 'fact', fact: { kind: 'disconnected', message } });
    },
    async onReconnected() {
      send({ kind: 'fact', fact: { kind: 'reconnected' } });
      context.trustUntilMs = Math.max(context.trustUntilMs, clock.monotonicMs() + newServerMs);
      const { view, seated, membership } = context;
      if (view !== undefined && seated) {
        await membership.restore(view);
        await membership.setTerms(view.life, termsText(options));
        await context.sayCommitted();
      }
      if (seated || context.isJoining) await context.renew();
      context.viewIsOld = true;
      context.onReconnected();
      context.wake();
    },
  };
  const link = createLink(parts.connect, clock, events);
  const { run, worker, leaseMs } = options;
  const onStrange = (key: string, found: string) => {
    if (strange.has(key)) return;
    strange.add(key);
    send({ kind: 'fact', fact: { kind: 'strange', key, found: found.slice(0, 60) } });
  };
  /** No member knows alone what all have committed. */
  const mendHead = async (life: number) => {
    await context.membership.raiseHead(life, context.committed);
    await context.membership.announce('head');
    await clock.sleep(mendMs);
  };
  const context: Context = {
    ...parts,
    link,
    neighbours: createNeighbours({ link, clock, run, worker, memory: parts.peers }),
    membership: createMembership({ link, run, worker, leaseMs, keepSeconds, onStrange, mendHead }),
    onStrange,
    leafTimes: createLeafTimes(options.firstLeafSeconds),
    view: undefined,
    viewIsOld: true,
    seated: false,
    isJoining: false,
    cancelled: false,
    closed: false,
    hasLived: options.hasLived,
    trustUntilMs: 0,
    progress: { step: 0, done: 0, startedMs: undefined, ready: false },
    noticeSleep(dueMs) {
      const nowMs = clock.monotonicMs();
      const lateMs = nowMs - Math.max(dueMs, awakeMs);
      if (lateMs < sleptMs) return;
      awakeMs = nowMs;
      // Timers that are due run before messages that came during a sleep: what this process believes is old.
      context.trustUntilMs = Math.max(context.trustUntilMs, nowMs + amnestyMs);
      context.viewIsOld = true;
      // The main thread slept too: that is not its fault.
      const { progress, pingedMs } = context;
      if (progress.startedMs !== undefined) progress.startedMs = Math.min(nowMs, progress.startedMs + lateMs);
      if (pingedMs !== undefined) context.pingedMs = Math.min(nowMs, pingedMs + lateMs);
      send({ kind: 'fact', fact: { kind: 'slept', seconds: lateMs / 1_000 } });
    },
    pingedMs: undefined,
    ping() {
      if (context.pingedMs !== undefined) return;
      context.pingedMs = clock.monotonicMs();
      send({ kind: 'ping' });
    },
    hangingMs() {
      const nowMs = clock.monotonicMs();
      const sinceMs = Math.min(context.progress.startedMs ?? nowMs, context.pingedMs ?? nowMs);
      return Math.max(0, nowMs - sinceMs - context.leafTimes.limitSeconds() * 1_000);
    },
    committed: 0,
    async sayCommitted() {
      const { view, seated, committed, membership } = context;
      if (view !== undefined && seated && committed > 0) await membership.raiseHead(view.life, committed);
    },
    onAnnounced: () => undefined,
    onWanted: () => undefined,
    onTaken: () => undefined,
    onChecked: () => undefined,
    onReconnected: () => undefined,
    async renew() {
      const { step, done, ready } = context.progress;
      const secondsPerLeaf = context.leafTimes.medianSeconds();
      const progress = { step, done, secondsPerLeaf, hangs: context.hangingMs() > 0, ready };
      await context.membership.renew(
        context.seated ? 'member' : 'standby',
        progress,
        context.view?.life ?? 0,
      );
    },
    wake() {
      woken = true;
      wakeUp();
    },
    async pause(durationMs) {
      if (!woken) {
        const wakened = new Promise<void>((resolve) => (wakeUp = resolve));
        setAlarm(durationMs);
        await wakened;
      }
      woken = false;
    },
    async recover(error) {
      if (error instanceof Failure) throw error;
      const nowMs = clock.monotonicMs();
      const message = errorReply(error);
      const isAgain = message === lastError;
      lastError = message ?? lastError;
      const kind = message !== undefined && isRefusal(message) ? 'refused' : 'serverError';
      if (message !== undefined && (kind === 'refused' || isAgain) && nowMs - refusalMs > refusalEveryMs) {
        refusalMs = nowMs;
        send({ kind: 'fact', fact: { kind, message } });
      }
      await clock.sleep(tickMs);
      await link.ready();
      if (context.closed) throw cancelled('The exchange was closed.');
    },
    async insist(work) {
      await link.ready();
      for (;;) {
        if (context.closed) throw cancelled('The exchange was closed.');
        try {
          return await work();
        } catch (error) {
          await context.recover(error);
        }
      }
    },
    async change(before, next, reason, workers, why) {
      if (await context.membership.replace(before, next)) return context.adopt(next, reason, workers, why);
      context.viewIsOld = true;
      return false;
    },
    async adopt(next, reason, workers, why) {
      context.view = next;
      context.viewIsOld = false;
      // Whoever changes a view tells of it, once.
      send({ kind: 'fact', fact: { kind: 'view', view: next, reason, workers, why } });
      await context.membership.announce('view');
      return true;
    },
    ask: (message) =>
      new Promise((resolve, reject) => {
        onAnswer = (reply) => {
          onAnswer = undefined;
          if (reply.kind !== 'refused') resolve(reply);
          else reject(failureOf(reply.failure));
        };
        send(message);
      }),
    answer: (message) => onAnswer?.(message),
  };
  return context;
}

/** What the server said, which begins with a word in capitals; undefined: it said nothing, as the connection ended. */
const errorReply = (error: unknown): string | undefined =>
  error instanceof Error && /^[A-Z]+ /.test(error.message) ? error.message : undefined;

/** Told at once: only somebody else can help. */
const isRefusal = (message: string): boolean => /^(OOM|READONLY|MISCONF|NOPERM) /.test(message);

/** What this worker would have all members alike in, the shape of the sums included. */
export const termsText = ({ terms, shards, length, roundedLength, wire }: SessionOptions): string =>
  canonicalJson({
    ...terms,
    shards: String(shards),
    wire,
    vector: `${String(length)} numbers, ${String(roundedLength)} of them rounded on the wire`,
  });

/**
 * Lines: 'view', 'head', 'want STEP BUCKET', 'taken STEP SHARD', 'checked STEP', 'memory WORKER ADDRESS', 'reads WORKER', or 'KEY SENDER'.
 */
function hear(context: Context, payload: string): void {
  for (const line of payload.split('\n')) {
    const words = line.split(' ');
    const [first = '', second = '', third = ''] = words;
    if (first === 'view') context.viewIsOld = true;
    else if (first === 'head')
      context.sayCommitted().catch(() => undefined); // said again after a reconnection
    else if (first === 'want') context.onWanted(Number(second), Number(third));
    else if (first === 'taken') context.onTaken(Number(second), Number(third));
    else if (first === 'checked') context.onChecked(Number(second));
    else if (first === 'memory' || first === 'reads') context.neighbours.hear(words);
    else {
      const key = parseTensorKey(context.options.run, first);
      if (key !== undefined) context.onAnnounced(key, second);
    }
  }
}

export const wantMessage = (step: number, bucket: number): string => `want ${String(step)} ${String(bucket)}`;
export const takenMessage = (step: number, shard: number): string => `taken ${String(step)} ${String(shard)}`;
export const checkedMessage = (step: number): string => `checked ${String(step)}`;

/** Keys of tensors expire by themselves after this, whatever happens to their writers. */
export const tensorSeconds = 600;

export const cancelled = (message: string): Failure => new Failure('CANCELLED', {}, { message });

export const failureOf = ({ code, details, message, hint }: FailureText): Failure =>
  new Failure(code, details, { message, hint });
