import type { Argument, BlobClient, Reply, Sink } from '@lvnet/exchange/testing';
import {
  commitStep,
  raiseHead,
  replaceView,
  restoreView,
  retryStep,
  sayChecked,
} from '@lvnet/exchange/testing';
import type { SimProcess, World } from './world.js';

interface Entry {
  value: string | Buffer;
  expireMs: number;
}

interface Connection {
  id: number;
  open: boolean;
  channels: Set<string>;
  /** Delivers a message to the client. */
  push: (channel: string, payload: string) => void;
  /** Ends the client's side. */
  cut: () => void;
}

/** What the network does between a process and the server. */
export interface Weather {
  /** One way, for each packet. */
  latencyMs(process: SimProcess): number;
  /** Packets stay away while this holds. */
  isPartitioned(process: SimProcess): boolean;
  /** A message to a subscriber gets lost. */
  losesNotice(): boolean;
}

/** A Redis in virtual time, with just the commands that the exchange uses. */
export interface SimRedis {
  connect(process: SimProcess): Promise<BlobClient & { id: number }>;
  /** Ends all connections; the server is away for a while and comes back with this of its data. */
  crash(downMs: number, keeps: 'nothing' | 'everything' | 'a second old'): void;
  isUp(): boolean;
  /** Every write of a client fails with this message while it is set. */
  refuse(message: string | undefined): void;
  /** Keys that are there, with their expiry. */
  keys(): { key: string; expires: boolean }[];
  /** Sees every write of a tensor key. */
  onWrite(listener: (key: string, value: Buffer) => void): void;
  /** Sees every message that somebody publishes. */
  onPublish(listener: (payload: string) => void): void;
}

/** Processes do not find a server that came back at the same moment. */
const reconnectMs = { least: 0.5, most: 60 };
const silenceLimitMs = 5_000;

export function createSimRedis(world: World, weather: Weather): SimRedis {
  let data = new Map<string, Entry>();
  let backup = new Map<string, Entry>();
  let up = true;
  let refusal: string | undefined;
  let nextId = 1;
  const connections = new Set<Connection>();
  const writeListeners: ((key: string, value: Buffer) => void)[] = [];
  const publishListeners: ((payload: string) => void)[] = [];
  const backUp = () => {
    backup = new Map(data);
    world.after(1_000, backUp);
  };
  backUp();

  const read = (key: string): Entry | undefined => {
    const entry = data.get(key);
    if (entry !== undefined && entry.expireMs <= world.nowMs()) {
      data.delete(key);
      return undefined;
    }
    return entry;
  };
  const text = (key: string): string | null => {
    const entry = read(key);
    return entry === undefined ? null : entry.value.toString();
  };
  const bulk = (key: string): Buffer | null => {
    const entry = read(key);
    if (entry === undefined) return null;
    return typeof entry.value === 'string' ? Buffer.from(entry.value) : entry.value;
  };
  const write = (key: string, value: string | Buffer, expireMs: number) => {
    if (refusal !== undefined) throw new Error(refusal);
    data.set(key, { value, expireMs });
    if (typeof value !== 'string') for (const listener of writeListeners) listener(key, value);
  };
  const inSeconds = (seconds: unknown) => world.nowMs() + Number(seconds) * 1_000;

  const script = (lua: string, names: readonly string[], args: readonly string[]): Reply => {
    const [first = '', second = ''] = names;
    const view = parse(text(lua === raiseHead.lua || lua === sayChecked.lua ? '' : first));
    switch (lua) {
      case replaceView.lua: {
        if (args[2] === '' ? view !== undefined : !isSame(view, args)) return 0;
        write(first, args[3] ?? '', inSeconds(args[4]));
        return 1;
      }
      case retryStep.lua: {
        const head = text(second) ?? '-1';
        if (!isHead(head)) return Buffer.from(head);
        if (Number(head) >= Number(args[5])) return 2;
        if (!isSame(view, args)) return 0;
        write(first, args[3] ?? '', inSeconds(args[4]));
        return 1;
      }
      case restoreView.lua: {
        const [life, number] = [Number(args[0]), Number(args[1])];
        if (view !== undefined && (view.life > life || (view.life === life && view.number >= number)))
          return 0;
        write(first, args[2] ?? '', inSeconds(args[3]));
        return 1;
      }
      case commitStep.lua: {
        const [life, step, attempt] = [Number(args[0]), Number(args[1]), Number(args[2])];
        const head = text(second) ?? '-1';
        if (!isHead(head)) return Buffer.from(head);
        const isNew = Number(head) < step;
        if (view !== undefined && view.life > life && isNew) return 0;
        const retries = view?.life === life ? [view.retry, ...(view.earlier ?? [])] : [];
        if (retries.some((retry) => retry?.step === step && retry.attempt > attempt)) return 0;
        if (isNew) write(second, String(step), inSeconds(args[3]));
        return 1;
      }
      case raiseHead.lua: {
        const head = text(first) ?? '-1';
        const step = Math.max(isHead(head) ? Number(head) : -1, Number(args[0]));
        write(first, String(step), inSeconds(args[1]));
        return isHead(head) ? step : Buffer.from(head);
      }
      case sayChecked.lua: {
        const held = text(first) ?? '';
        const isSaid = held.split('\n').some((line) => line.startsWith(`${args[0] ?? ''} `));
        const all = isSaid ? held : `${held}${args[0] ?? ''} ${args[1] ?? ''}\n`;
        if (!isSaid) write(first, all, inSeconds(args[2]));
        return Buffer.from(all);
      }
      default:
        throw new Error('a script that the simulation does not know');
    }
  };
  const execute = (connection: Connection, args: readonly Argument[]): Reply => {
    const words = args.map((item) =>
      typeof item === 'string' || typeof item === 'number' ? String(item) : '',
    );
    const [command = '', key = ''] = words;
    switch (command) {
      case 'GET':
        return bulk(key);
      case 'SET': {
        const unit = words[3] === 'PX' ? 1 : 1_000;
        write(key, valueOf(args[2]), world.nowMs() + Number(words[4]) * unit);
        return 'OK';
      }
      case 'MGET':
        return words.slice(1).map(bulk);
      case 'EXISTS':
        return words.slice(1).filter((name) => read(name) !== undefined).length;
      case 'DEL':
      case 'UNLINK':
        return words.slice(1).filter((name) => read(name) !== undefined && data.delete(name)).length;
      case 'EXPIRE': {
        const entry = read(key);
        if (entry !== undefined) entry.expireMs = inSeconds(words[2]);
        return entry === undefined ? 0 : 1;
      }
      case 'PUBLISH': {
        for (const listener of publishListeners) listener(words[2] ?? '');
        const listeners = [...connections].filter(({ channels }) => channels.has(key));
        for (const other of listeners) if (!weather.losesNotice()) other.push(key, words[2] ?? '');
        return listeners.length;
      }
      case 'SUBSCRIBE':
        connection.channels.add(key);
        return ['subscribe', key, connection.channels.size];
      case 'CLIENT':
        if (key === 'ID') return connection.id;
        return Buffer.from(
          [...connections]
            .filter(({ id }) => words.slice(3).includes(String(id)))
            .map(({ id }) => `id=${String(id)} \n`)
            .join(''),
        );
      case 'SCAN': {
        const prefix = (words[3] ?? '').replace(/\*$/, '').replaceAll('\\', '');
        const found = [...data.keys()].filter((name) => name.startsWith(prefix) && read(name) !== undefined);
        return [Buffer.from('0'), found.map((name) => Buffer.from(name))];
      }
      case 'EVAL': {
        const count = Number(words[2]);
        return script(key, words.slice(3, 3 + count), words.slice(3 + count));
      }
      default:
        throw new Error(`a command that the simulation does not know: ${command}`);
    }
  };

  const answer = (connection: Connection, args: readonly Argument[]): Reply => {
    try {
      return execute(connection, args);
    } catch (error) {
      // What is a bug of the simulation ends it; a refusal is the client's.
      if (refusal !== undefined && error instanceof Error && error.message === refusal) return error;
      throw error;
    }
  };

  return {
    isUp: () => up,
    refuse: (message) => {
      refusal = message;
    },
    onWrite: (listener) => void writeListeners.push(listener),
    onPublish: (listener) => void publishListeners.push(listener),
    keys: () =>
      [...data.keys()]
        .filter((key) => read(key) !== undefined)
        .map((key) => ({ key, expires: Number.isFinite(data.get(key)?.expireMs) })),
    crash(downMs, keeps) {
      up = false;
      for (const connection of [...connections]) {
        connections.delete(connection);
        connection.cut();
      }
      if (keeps === 'nothing') data = new Map();
      if (keeps === 'a second old') data = new Map(backup);
      world.after(downMs, () => {
        up = true;
      });
    },
    connect: (process) =>
      new Promise((resolve, reject) => {
        const attempt = (waitedMs: number) => {
          if (weather.isPartitioned(process)) {
            if (waitedMs >= 2_000)
              process.later(0, 'message', () => {
                reject(new Error('does not answer'));
              });
            else
              world.after(200, () => {
                attempt(waitedMs + 200);
              });
            return;
          }
          process.later(world.random.between(reconnectMs.least, reconnectMs.most), 'message', () => {
            if (up) resolve(openConnection(process));
            else reject(new Error('refused'));
          });
        };
        attempt(0);
      }),
  };

  function openConnection(process: SimProcess): BlobClient & { id: number } {
    const closers: (() => void)[] = [];
    const listeners: ((channel: string, payload: string) => void)[] = [];
    let pending: { reject: (error: Error) => void; sentMs: number }[] = [];
    let closed = false;
    // Packets of one direction keep their order.
    let [reachesMs, returnsMs] = [0, 0];
    const isLive = () => connection.open && connections.has(connection);
    const closeClient = () => {
      if (closed) return;
      closed = true;
      const failed = pending;
      pending = [];
      for (const item of failed) item.reject(new Error('the connection to Redis ended'));
      for (const closer of closers) closer();
    };
    const connection: Connection = {
      id: nextId++,
      open: true,
      channels: new Set(),
      push(channel, payload) {
        travel(false, () => {
          if (!closed) for (const listener of listeners) listener(channel, payload);
        });
      },
      cut() {
        process.later(0.1, 'message', closeClient);
      },
    };
    connections.add(connection);
    process.onKilled(() => {
      connections.delete(connection);
    });
    /** Carries a packet; while the process is partitioned it waits, as TCP would send it again and again. */
    function travel(toServer: boolean, arrive: () => void): void {
      const now = world.nowMs();
      const due = now + weather.latencyMs(process);
      const atMs = Math.max(due, toServer ? reachesMs : returnsMs);
      if (toServer) reachesMs = atMs;
      else returnsMs = atMs;
      const go = () => {
        if (!connection.open) return;
        if (weather.isPartitioned(process)) world.after(50, go);
        else if (toServer) arrive();
        else process.reach('message', arrive);
      };
      world.after(atMs - now, go);
    }
    const watch = () => {
      const [oldest] = pending;
      if (closed || !process.isAlive()) return;
      if (oldest !== undefined && world.nowMs() - oldest.sentMs > silenceLimitMs) {
        close();
        return;
      }
      process.later(1_000, 'timer', watch);
    };
    process.later(1_000, 'timer', watch);
    /** The client gives up; the server hears of it, if it can. */
    function close(): void {
      travel(true, () => connections.delete(connection));
      process.later(0, 'message', closeClient);
      connection.open = weather.isPartitioned(process) ? false : connection.open;
      if (weather.isPartitioned(process)) world.after(10_000, () => connections.delete(connection));
    }
    return {
      id: connection.id,
      get closed() {
        return closed;
      },
      command(args, sink) {
        if (closed) return Promise.reject(new Error('the connection to Redis ended'));
        return new Promise((resolve, reject) => {
          const item = { reject, sentMs: world.nowMs() };
          pending.push(item);
          travel(true, () => {
            if (!up || !isLive()) return;
            // What lies there by now is what the socket sends: whoever changes it too early is found out.
            const reply = answer(connection, args);
            travel(false, () => {
              if (closed) return;
              pending = pending.filter((other) => other !== item);
              if (reply instanceof Error) reject(reply);
              else resolve(poured(reply, sink));
            });
          });
        });
      },
      onMessage: (listener) => void listeners.push(listener),
      onClosed: (listener) => void closers.push(listener),
      close,
    };
  }
}

interface StoredView {
  life: number;
  number: number;
  id: string;
  retry: StoredRetry | null;
  earlier?: StoredRetry[];
}

interface StoredRetry {
  step: number;
  attempt: number;
}

const parse = (held: string | null): StoredView | undefined =>
  held === null ? undefined : (JSON.parse(held) as StoredView);

const isHead = (text: string): boolean => text === '-1' || /^\d+$/.test(text);

const isSame = (view: StoredView | undefined, [life, number, id]: readonly string[]): boolean =>
  view !== undefined && view.id === id && String(view.life) === life && String(view.number) === number;

function valueOf(argument: Argument | undefined): Buffer | string {
  if (argument === undefined) return '';
  if (typeof argument === 'string' || typeof argument === 'number') return String(argument);
  return argument instanceof Uint8Array ? Buffer.from(argument) : Buffer.concat(argument);
}

/** A bulk reply goes into the sink's pieces where they take it. */
function poured(reply: Reply, sink: Sink | undefined): Reply {
  if (!Buffer.isBuffer(reply)) return reply;
  const pieces = sink?.(reply.length);
  if (pieces === undefined) return reply;
  let at = 0;
  for (const piece of pieces) piece.set(reply.subarray(at, (at += piece.length)));
  return Buffer.alloc(0);
}
