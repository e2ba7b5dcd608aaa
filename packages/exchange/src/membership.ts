import { randomBytes } from 'node:crypto';
import { keys } from '@lvnet/redis';
import type { Link } from './link.js';
import { casView, restoreView } from './scripts.js';
import { parseView, type View } from './view.js';

/** Leases, standbys and the view on the tensor server. */
export interface Membership {
  /** The view as it is on the server now. */
  read(): Promise<View | undefined>;
  /** True when the view was still the expected one. */
  replace(expected: View | undefined, next: View): Promise<boolean>;
  restore(view: View): Promise<void>;
  /** Renews this worker's lease, as member or as standby. */
  renew(seated: boolean): Promise<void>;
  retire(): Promise<void>;
  /** Live standbys, in order of name. */
  standbys(): Promise<string[]>;
  /** Which of these workers show no sign of life; `sure` of those seen dead twice. */
  findDead(workers: readonly string[]): Promise<string[]>;
  announce(payload: string): Promise<void>;
}

const viewSeconds = 120;

export const randomId = (): string => randomBytes(8).toString('hex');

export function createMembership(link: Link, run: string, worker: string, leaseMs: number): Membership {
  /** Lease values whose connection was gone at the last look. */
  const suspects = new Map<string, string>();
  const text = async (...args: readonly (string | number)[]): Promise<string | null> => {
    const reply = await link.command(...args);
    return reply === null ? null : String(reply);
  };

  const leaseOf = async (name: string): Promise<string | null> =>
    (await text('GET', keys.lease(run, name))) ?? (await text('GET', keys.standby(run, name)));

  const isDead = async (name: string): Promise<boolean> => {
    const lease = await leaseOf(name);
    if (lease === null) return true;
    const listed = await text('CLIENT', 'LIST', 'ID', lease);
    const gone = listed === null || listed.trim() === '';
    // A connection may just be in the act of being replaced: only the same lease twice is evidence.
    const dead = gone && suspects.get(name) === lease;
    if (gone) suspects.set(name, lease);
    else suspects.delete(name);
    return dead;
  };
  return {
    read: async () => parseView(await text('GET', keys.view(run))),
    async replace(expected, next) {
      const { life, number, id } = expected ?? { life: 0, number: 0, id: '' };
      const args = [String(life), String(number), id, JSON.stringify(next), viewSeconds];
      return (await link.command('EVAL', casView, 1, keys.view(run), ...args)) === 1;
    },
    async restore(view) {
      const args = [view.life, view.number, JSON.stringify(view), viewSeconds];
      await link.command('EVAL', restoreView, 1, keys.view(run), ...args);
    },
    async renew(seated) {
      const id = link.clientId();
      if (id === '') return;
      const key = seated ? keys.lease(run, worker) : keys.standby(run, worker);
      await link.command('SET', key, id, 'PX', leaseMs);
      if (seated) {
        await link.command('DEL', keys.standby(run, worker));
        await link.command('EXPIRE', keys.view(run), viewSeconds);
      }
    },
    async retire() {
      await link.command('DEL', keys.lease(run, worker), keys.standby(run, worker));
    },
    async standbys() {
      const prefix = keys.standby(run, '');
      const found: string[] = [];
      let cursor = '0';
      do {
        const reply = await link.command('SCAN', cursor, 'MATCH', `${escapeGlob(prefix)}*`, 'COUNT', 1_000);
        const [next, names] = reply as [Buffer, Buffer[]];
        cursor = next.toString();
        found.push(...names.map((name) => name.toString().slice(prefix.length)));
      } while (cursor !== '0');
      return [...new Set(found)].sort();
    },
    async findDead(workers) {
      const dead: string[] = [];
      for (const name of workers) if (await isDead(name)) dead.push(name);
      return dead;
    },
    async announce(payload) {
      await link.command('PUBLISH', keys.everyone(run), payload);
    },
  };
}

const escapeGlob = (text: string): string => text.replace(/[[\]*?\\]/g, (letter) => `\\${letter}`);
