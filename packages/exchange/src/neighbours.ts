import { keys } from '@lvnet/redis';
import type { Clock } from '@lvnet/core';
import type { Link } from './link.js';
import type { PeerMemory } from './peer-memory.js';
import { isActive, type View } from './view.js';

/** Which other members read this one's memory: known for sure, since each says so itself. */
export interface Neighbours {
  /** Everybody else in the view reads it, and nobody follows who needs older sums. */
  readAll(view: View, step: number): boolean;
  reads(worker: string): boolean;
  /** Tells those of a view who do not read this member's memory yet where it is. */
  greet(view: View): void;
  /** What another one said: where its memory is, or that it reads this one's. */
  hear(words: readonly string[]): void;
  /** Somebody misses what it should have read: all have to say again that they read. */
  doubt(): void;
  /** Forgets who is gone, but for what those of the last view left in their memory. */
  keepOnly(workers: ReadonlySet<string>, former: ReadonlySet<string>): void;
}

export interface NeighbourParts {
  link: Link;
  clock: Clock;
  run: string;
  worker: string;
  memory: PeerMemory | undefined;
}

/** Who is elsewhere does not answer; a message may have been lost. */
const greetEveryMs = 10_000;
/** So long after its first step a newcomer may still need sums from before it could read. */
const settlingSteps = 4;

export function createNeighbours({ link, clock, run, worker, memory }: NeighbourParts): Neighbours {
  const readers = new Set<string>();
  let greetedId = '';
  let greetedMs = Number.NEGATIVE_INFINITY;
  const publish = (to: string, text: string) => {
    link.command(['PUBLISH', to, text]).catch(() => undefined); // said again after a while
  };
  const strangers = (view: View) =>
    view.members.some((member) => member.worker !== worker && !readers.has(member.worker));

  return {
    readAll: (view, step) => !strangers(view) && !isFollowed(view, step),
    reads: (name) => readers.has(name),
    greet(view) {
      const address = memory?.address;
      if (address === undefined || !strangers(view)) return;
      const nowMs = clock.monotonicMs();
      if (greetedId === view.id && nowMs - greetedMs < greetEveryMs) return;
      [greetedId, greetedMs] = [view.id, nowMs];
      publish(keys.everyone(run), `memory ${worker} ${address}`);
    },
    hear([kind = '', name = '', address = '']) {
      if (name === worker) return;
      if (kind === 'reads') {
        readers.add(name);
        return;
      }
      const opened = memory?.open(name, address);
      if (opened === 'replaced') {
        // Whoever comes back under its name is a new process, which does not read yet what the old one did.
        readers.delete(name);
        greetedId = '';
      }
      if (opened !== undefined) publish(keys.inbox(run, name), `reads ${worker}`);
    },
    doubt() {
      readers.clear();
      greetedId = '';
    },
    keepOnly(workers, former) {
      for (const name of readers) if (!workers.has(name)) readers.delete(name);
      memory?.keepOnly(new Set([...workers, ...former]));
    },
  };
}

/** Somebody catches up, or has just begun to: older sums have to stay on the server. */
export const isFollowed = (view: View, step: number): boolean =>
  view.members.some(
    (member) =>
      !isActive(view, member, step) || (member.source === 'peer' && member.fromStep > step - settlingSteps),
  );
