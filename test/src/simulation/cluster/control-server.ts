import { holdLead, releaseLead, setRunEntry } from '@lvnet/queue/testing';
import type { RedisScript } from '@lvnet/redis';
import type { World } from '../world.js';
import { createQueues, type Queues } from './queues.js';

/** What a restarted server still has. */
export type Kept = 'nothing' | 'everything' | 'a second old';

/** Who leads, or a run's entry that was written or refused. */
export type ControlEvent =
  | { kind: 'leads'; fence: number; identity: string; isNew: boolean }
  | { kind: 'released'; identity: string }
  | { kind: 'entry'; fence: number; run: string; accepted: boolean };

/**
 * The control Redis in virtual time: the commands and scripts that leadership and registry use, and the
 * queues. Commands are atomic; their ways to and from a process are the connection's business.
 */
export interface ControlServer {
  command(sender: string, name: string, args: readonly (string | number)[]): unknown;
  script(
    sender: string,
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): unknown;
  readonly queues: Queues;
  isUp(): boolean;
  /** Counts restarts. */
  epoch(): number;
  crash(downMs: number, keeps: Kept): void;
  keys(): { key: string; expires: boolean; value: unknown }[];
}

type Value = string | Set<string> | string[];
interface Entry {
  value: Value;
  expireMs: number;
}

/** The server's own clock: 2023 and the virtual time. */
const epochMs = 1.7e12;

/** @param onAnyEvent is told who sent the command: the name of a process */
export function createControlServer(
  world: World,
  onAnyEvent: (event: ControlEvent, sender: string) => void,
): ControlServer {
  let sender = '';
  const onEvent = (event: ControlEvent) => {
    onAnyEvent(event, sender);
  };
  let data = new Map<string, Entry>();
  const queues = createQueues(world);
  let backup = { data: new Map<string, Entry>(), queues: queues.save() };
  let up = true;
  let epoch = 0;
  const backUp = () => {
    if (up) backup = { data: structuredClone(data), queues: queues.save() };
    world.after(1_000, backUp);
  };
  backUp();

  const read = (key: string): Value | undefined => {
    const entry = data.get(key);
    if (entry === undefined || entry.expireMs > world.nowMs()) return entry?.value;
    data.delete(key);
    return undefined;
  };
  const text = (key: string): string | null => (read(key) as string | undefined) ?? null;
  const write = (key: string, value: Value, lifeMs = Number.POSITIVE_INFINITY) =>
    data.set(key, { value, expireMs: world.nowMs() + lifeMs });
  const members = (key: string): Set<string> => (read(key) as Set<string> | undefined) ?? new Set();
  const items = (key: string): string[] => (read(key) as string[] | undefined) ?? [];
  const keep = (key: string, value: Set<string> | string[]) => {
    const size = Array.isArray(value) ? value.length : value.size;
    if (size === 0) data.delete(key);
    else write(key, value);
  };

  const command = (name: string, args: readonly string[]): unknown => {
    const [key = '', first = '', unit, life] = args;
    switch (name) {
      case 'GET':
        return text(key);
      case 'SET':
        write(key, first, Number(life) * (unit === 'EX' ? 1_000 : 1));
        return 'OK';
      case 'DEL':
        return data.delete(key) ? 1 : 0;
      case 'MGET':
        return args.map(text);
      case 'SADD':
        keep(key, new Set([...members(key), ...args.slice(1)]));
        return 1;
      case 'SREM':
        keep(key, new Set([...members(key)].filter((member) => !args.slice(1).includes(member))));
        return 1;
      case 'SMEMBERS':
        return [...members(key)];
      case 'RPUSH':
        keep(key, [...items(key), first]);
        return items(key).length;
      case 'LRANGE':
        return items(key).slice(Number(first), Number(unit) + 1);
      case 'LREM': {
        const at = items(key).indexOf(unit ?? '');
        if (at >= 0) keep(key, items(key).toSpliced(at, 1));
        return at >= 0 ? 1 : 0;
      }
      default:
        throw new Error(`a command that the simulation does not know: ${name}`);
    }
  };

  const script = (lua: string, keys: readonly string[], args: readonly string[]): unknown => {
    const [first = '', second = ''] = keys;
    switch (lua) {
      case holdLead.lua: {
        const [identity = '', leaseMs] = args;
        const held = text(first)?.split(' ');
        if (held !== undefined) {
          if (held[1] !== identity) return 0;
          write(first, held.join(' '), Number(leaseMs));
          onEvent({ kind: 'leads', fence: Number(held[0]), identity, isNew: false });
          return Number(held[0]);
        }
        const fence = Math.max(Number(text(second) ?? 0) + 1, epochMs + Math.floor(world.nowMs()));
        write(second, String(fence));
        write(first, `${String(fence)} ${identity}`, Number(leaseMs));
        onEvent({ kind: 'leads', fence, identity, isNew: true });
        return fence;
      }
      case releaseLead.lua:
        if (text(first)?.split(' ')[1] !== args[0]) return 0;
        data.delete(first);
        onEvent({ kind: 'released', identity: args[0] ?? '' });
        return 1;
      case setRunEntry.lua: {
        const [entry = '', fence, seconds] = args;
        const known = text(first);
        const accepted = known === null || (JSON.parse(known) as { fence: number }).fence <= Number(fence);
        if (accepted) write(first, entry, Number(seconds) * 1_000);
        onEvent({ kind: 'entry', fence: Number(fence), run: first, accepted });
        return accepted ? 1 : 0;
      }
      default:
        throw new Error('a script that the simulation does not know');
    }
  };

  return {
    queues,
    command: (by, name, args) => {
      sender = by;
      return command(name, args.map(String));
    },
    script: (by, { lua }, keys, args) => {
      sender = by;
      return script(lua, keys, args.map(String));
    },
    isUp: () => up,
    epoch: () => epoch,
    crash(downMs, keeps) {
      up = false;
      epoch++;
      if (keeps === 'nothing') {
        data = new Map();
        queues.restore(undefined);
      } else if (keeps === 'a second old') {
        data = structuredClone(backup.data);
        queues.restore(backup.queues);
      }
      world.after(downMs, () => {
        up = true;
      });
    },
    keys: () =>
      [...data.keys()].flatMap((key) => {
        const value = read(key);
        return value === undefined ? [] : [{ key, value, expires: Number.isFinite(data.get(key)?.expireMs) }];
      }),
  };
}
