import { keys } from '@lvnet/redis';
import { isConnection, leaseText, readLease, type Evidence, type Progress } from './evidence.js';
import type { Link } from './link.js';
import {
  commitStep,
  raiseHead,
  replaceView,
  restoreView,
  retryStep,
  sayChecked,
  type Script,
} from './scripts.js';
import { parseView, type View } from './view.js';

/** Leases, standbys, the view and the head on the tensor server. */
export interface Membership {
  /** The view as it is on the server now. */
  read(): Promise<View | undefined>;
  /** True when the view was still the expected one. */
  replace(expected: View | undefined, next: View): Promise<boolean>;
  /** Puts a view back that the server lost, unless it has one as late. */
  restore(view: View): Promise<void>;
  /** Renews this worker's lease, as member or as standby; the view and the head live on with it. */
  renew(as: 'member' | 'standby', progress: Progress, life: number): Promise<void>;
  retire(): Promise<void>;
  /** Live standbys, in order of name. */
  standbys(): Promise<string[]>;
  evidence(workers: readonly string[]): Promise<Map<string, Evidence>>;
  /** The same for a view that does a step again; 'committed': too late, the step is done. */
  retry(expected: View, next: View, step: number): Promise<'done' | 'outdated' | 'committed'>;
  /** False where the members do the step again instead. */
  commit(life: number, step: number, attempt: number): Promise<boolean>;
  /** Says again what is committed, after the server lost it. */
  raiseHead(life: number, step: number): Promise<void>;
  head(life: number): Promise<number | undefined>;
  /** What all members of a life have alike, if it is known. */
  terms(life: number): Promise<string | null>;
  setTerms(life: number, text: string): Promise<void>;
  /** What was said of a step's checked shard so far. */
  checked(life: number, step: number): Promise<string | null>;
  /** Adds a statement, once, and gives all of them. */
  sayChecked(life: number, step: number, line: string, sha256: string): Promise<string>;
  announce(payload: string): Promise<void>;
}

/** What was said of a check is of no use once its step is long over. */
const checkedSeconds = 600;

export interface MembershipParts {
  link: Link;
  run: string;
  worker: string;
  leaseMs: number;
  /** Views and heads outlive their last renewal by so long. */
  keepSeconds: number;
  /** A key holds what no member wrote. */
  onStrange: (key: string, found: string) => void;
  /** The head of a life was written over: all members say again what they committed. */
  mendHead: (life: number) => Promise<void>;
}

export function createMembership({
  link,
  run,
  worker,
  leaseMs,
  keepSeconds,
  onStrange,
  mendHead,
}: MembershipParts): Membership {
  const command = async (...args: readonly (string | number)[]): Promise<string | null> => {
    const reply = await link.command(args);
    return reply === null ? null : String(reply);
  };
  const script = ({ lua }: Script, names: readonly string[], ...args: readonly (string | number)[]) =>
    link.command(['EVAL', lua, names.length, ...names, ...args]);
  const view = keys.view(run);
  /** Most reads find what the last one found. */
  let last: { text: string | null; found: View | undefined } = { text: null, found: undefined };

  /** A text, or why there is none. */
  const textOf = (key: string): Promise<string | null> =>
    command('GET', key).catch((error: unknown) => {
      if (!isOtherType(error)) throw error;
      return error.message;
    });
  /** A script that needs the head; undefined: there is something else, which is named. */
  const withHead = async (one: Script, names: readonly string[], ...args: readonly (string | number)[]) => {
    const reply = await script(one, names, ...args);
    if (typeof reply === 'number') return reply;
    onStrange(names.at(-1) ?? '', String(reply));
    return undefined;
  };
  const listed = async (connections: readonly string[]): Promise<ReadonlySet<string>> => {
    if (connections.length === 0) return new Set();
    const text = String(await link.command(['CLIENT', 'LIST', 'ID', ...connections]));
    return new Set([...text.matchAll(/^id=(\d+)/gm)].map(([, id = '']) => id));
  };
  return {
    async read() {
      const text = await textOf(view);
      if (text !== last.text) last = { text, found: parseView(text) };
      const { found } = last;
      if (text !== null && text !== '' && found === undefined) onStrange(view, text);
      return found;
    },
    async replace(expected, next) {
      const { life, number, id } = expected ?? { life: 0, number: 0, id: '' };
      const args = [life, number, id, JSON.stringify(next), keepSeconds];
      return (await script(replaceView, [view], ...args)) === 1;
    },
    async restore(past) {
      await script(restoreView, [view], past.life, past.number, JSON.stringify(past), keepSeconds);
    },
    async renew(as, progress, life) {
      const id = link.clientId();
      if (id === '') return;
      const key = as === 'member' ? keys.lease(run, worker) : keys.standby(run, worker);
      const writes = [command('SET', key, leaseText(id, progress), 'PX', leaseMs)];
      if (as === 'member') {
        writes.push(
          command('DEL', keys.standby(run, worker)),
          command('EXPIRE', view, keepSeconds),
          command('EXPIRE', keys.head(run, life), keepSeconds),
          command('EXPIRE', keys.terms(run, life), keepSeconds),
        );
      }
      await Promise.all(writes);
    },
    async retire() {
      await command('DEL', keys.lease(run, worker), keys.standby(run, worker));
    },
    async standbys() {
      const prefix = keys.standby(run, '');
      const found: string[] = [];
      let cursor = '0';
      do {
        const reply = await link.command(['SCAN', cursor, 'MATCH', `${escapeGlob(prefix)}*`, 'COUNT', 1_000]);
        const [next, names] = reply as [Buffer, Buffer[]];
        cursor = next.toString();
        found.push(...names.map((name) => name.toString().slice(prefix.length)));
      } while (cursor !== '0');
      return [...new Set(found)].sort();
    },
    async evidence(workers) {
      if (workers.length === 0) return new Map();
      // At once: whoever takes a seat writes its lease before it gives up its place as standby, so one is there.
      const names = workers.flatMap((name) => [keys.lease(run, name), keys.standby(run, name)]);
      const texts = (await link.command(['MGET', ...names])) as (Buffer | null)[];
      const leases = await Promise.all(
        workers.map(async (name, i) => {
          // Asked for once more before somebody is accused: what is no text counts as nothing among many.
          const text =
            (texts[2 * i] ?? texts[2 * i + 1])?.toString() ?? (await textOf(keys.lease(run, name)));
          const lease = readLease(text);
          if (lease.connection !== undefined && !isConnection(lease.connection))
            onStrange(keys.lease(run, name), text ?? '');
          return lease;
        }),
      );
      const alive = await listed(
        leases.flatMap(({ connection = '' }) => (isConnection(connection) ? [connection] : [])),
      );
      const isAlive = ({ connection = '' }: (typeof leases)[number]) => alive.has(connection);
      return new Map(
        leases.map((lease, i) => [workers[i] ?? '', { ...lease, disconnected: !isAlive(lease) }]),
      );
    },
    async retry({ life, number, id }, next, step) {
      const args = [life, number, id, JSON.stringify(next), keepSeconds, step];
      const reply = await withHead(retryStep, [view, keys.head(run, life)], ...args);
      if (reply === undefined) await mendHead(life); // a step that is committed shall not be done again
      return reply === 1 ? 'done' : reply === 2 ? 'committed' : 'outdated';
    },
    async commit(life, step, attempt) {
      for (;;) {
        const args = [life, step, attempt, keepSeconds];
        const reply = await withHead(commitStep, [view, keys.head(run, life)], ...args);
        if (reply !== undefined) return reply === 1;
        await mendHead(life);
      }
    },
    async raiseHead(life, step) {
      await withHead(raiseHead, [keys.head(run, life)], step, keepSeconds);
    },
    async head(life) {
      const key = keys.head(run, life);
      const text = await textOf(key);
      if (text === null) return undefined;
      if (/^\d+$/.test(text)) return Number(text);
      onStrange(key, text);
      await mendHead(life);
      return undefined;
    },
    terms: (life) => command('GET', keys.terms(run, life)),
    async setTerms(life, text) {
      await command('SET', keys.terms(run, life), text, 'EX', keepSeconds);
    },
    checked: (life, step) => command('GET', keys.checked(run, life, step)),
    async sayChecked(life, step, line, sha256) {
      return String(await script(sayChecked, [keys.checked(run, life, step)], line, sha256, checkedSeconds));
    },
    async announce(payload) {
      await command('PUBLISH', keys.everyone(run), payload);
    },
  };
}

/** Somebody keeps a list, or the like, under a key of ours. */
export const isOtherType = (error: unknown): error is Error =>
  error instanceof Error && error.message.startsWith('WRONGTYPE');

const escapeGlob = (text: string): string => text.replace(/[[\]*?\\]/g, (letter) => `\\${letter}`);
