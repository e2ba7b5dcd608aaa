import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Failure, withDeadline } from '@lvnet/core';
import { parseRedisUrl, redactUrl } from '@lvnet/redis';

export type Reply = string | number | null | Buffer | Error | Reply[];
type Argument = string | number | Uint8Array;

interface Pending {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/**
 * A small Redis client for large values: arguments are written without being copied together, replies
 * are cut out of the stream without conversion. One connection; whoever uses it opens a new one when it ends.
 */
export interface BlobClient {
  command(...args: readonly Argument[]): Promise<Reply>;
  /** Messages of subscribed channels: (channel, payload). */
  onMessage(listener: (channel: string, payload: string) => void): void;
  readonly closed: boolean;
  onClosed(listener: () => void): void;
  close(): void;
}

/** @throws Failure('REDIS_UNREACHABLE' | 'REDIS_DENIED') */
export async function openBlobClient(url: string, limitMs: number): Promise<BlobClient> {
  const address = parseRedisUrl(url);
  const socket = await openSocket(url, limitMs);
  const client = clientOver(socket);
  try {
    if (address.password !== undefined) {
      await client.command(
        'AUTH',
        ...(address.username === undefined ? [] : [address.username]),
        address.password,
      );
    }
    if (address.db !== 0) await client.command('SELECT', address.db);
  } catch (cause) {
    client.close();
    const message = `${redactUrl(url)} refused the login.`;
    throw new Failure(
      'REDIS_DENIED',
      { url: redactUrl(url) },
      { message, hint: 'Check user and password.', cause },
    );
  }
  return client;
}

async function openSocket(url: string, limitMs: number): Promise<Socket> {
  const { path, host = '127.0.0.1', port = 6379, tls } = parseRedisUrl(url);
  const socket =
    path === undefined
      ? tls
        ? connectTls({ host, port })
        : connect({ host, port, noDelay: true })
      : connect({ path });
  try {
    const ready = tls && path === undefined ? 'secureConnect' : 'connect';
    await withDeadline('connecting', limitMs, (signal) => once(socket, ready, { signal }));
    return socket;
  } catch (cause) {
    // An error that comes after the deadline has nobody left to tell.
    socket.on('error', () => undefined).destroy();
    const [message, hint] = [`${redactUrl(url)} does not answer.`, 'Is the server up?'];
    throw new Failure('REDIS_UNREACHABLE', { url: redactUrl(url) }, { message, hint, cause });
  }
}

function clientOver(socket: Socket): BlobClient {
  const pending: Pending[] = [];
  const listeners: ((channel: string, payload: string) => void)[] = [];
  const closers: (() => void)[] = [];
  let closed = false;
  const parse = createParser((reply) => {
    if (Array.isArray(reply) && reply.length === 3 && isText(reply[0], 'message')) {
      for (const listener of listeners) listener(String(reply[1]), String(reply[2]));
      return;
    }
    const next = pending.shift();
    if (reply instanceof Error) next?.reject(reply);
    else next?.resolve(reply);
  });
  const end = () => {
    if (closed) return;
    closed = true;
    for (const waiting of pending.splice(0)) waiting.reject(new Error('the connection to Redis ended'));
    for (const closer of closers) closer();
  };
  socket.on('data', parse);
  socket.on('error', () => socket.destroy());
  socket.on('close', end);
  return {
    command(...args) {
      if (closed) return Promise.reject(new Error('the connection to Redis ended'));
      return new Promise((resolve, reject) => {
        pending.push({ resolve, reject });
        writeCommand(socket, args);
      });
    },
    onMessage: (listener) => void listeners.push(listener),
    get closed() {
      return closed;
    },
    onClosed: (listener) => void closers.push(listener),
    close: () => socket.destroy(),
  };
}

const isText = (value: Reply | undefined, text: string): boolean =>
  Buffer.isBuffer(value) && value.toString() === text;

function writeCommand(socket: Socket, args: readonly Argument[]): void {
  socket.cork();
  let text = `*${String(args.length)}\r\n`;
  for (const argument of args) {
    if (typeof argument === 'string' || typeof argument === 'number') {
      const value = String(argument);
      text += `$${String(Buffer.byteLength(value))}\r\n${value}\r\n`;
    } else {
      socket.write(`${text}$${String(argument.byteLength)}\r\n`);
      socket.write(argument);
      text = '\r\n';
    }
  }
  socket.write(text);
  socket.uncork();
}

/** Feeds chunks of a RESP2 stream; calls back for every complete reply. */
export function createParser(onReply: (reply: Reply) => void): (chunk: Buffer) => void {
  let line = '';
  let bulk: { into: Buffer; filled: number } | undefined;
  const open: { items: Reply[]; length: number }[] = [];
  let toSkip = 0;

  const complete = (reply: Reply) => {
    for (let value = reply; ;) {
      const top = open.at(-1);
      if (top === undefined) {
        onReply(value);
        return;
      }
      top.items.push(value);
      if (top.items.length < top.length) return;
      open.pop();
      value = top.items;
    }
  };
  const startValue = (header: string) => {
    const rest = header.slice(1);
    const length = Number(rest);
    switch (header[0]) {
      case '+':
        complete(rest);
        return;
      case '-':
        complete(new Error(rest));
        return;
      case ':':
        complete(length);
        return;
      case '$':
        if (length < 0) complete(null);
        else bulk = { into: Buffer.allocUnsafeSlow(length), filled: 0 };
        return;
      default:
        if (length < 0) complete(null);
        else if (length === 0) complete([]);
        else open.push({ items: [], length });
    }
  };
  const finishBulk = () => {
    if (bulk === undefined || bulk.filled < bulk.into.length) return;
    const { into } = bulk;
    bulk = undefined;
    toSkip = 2;
    complete(into);
  };
  return (chunk) => {
    let at = 0;
    while (at < chunk.length || bulk?.into.length === 0) {
      if (bulk !== undefined) {
        const count = Math.min(chunk.length - at, bulk.into.length - bulk.filled);
        chunk.copy(bulk.into, bulk.filled, at, at + count);
        bulk.filled += count;
        at += count;
        finishBulk();
      } else if (toSkip > 0) {
        const count = Math.min(toSkip, chunk.length - at);
        toSkip -= count;
        at += count;
      } else {
        const end = chunk.indexOf(10, at);
        if (end < 0) {
          line += chunk.toString('latin1', at);
          return;
        }
        line += chunk.toString('latin1', at, end);
        at = end + 1;
        const header = line.endsWith('\r') ? line.slice(0, -1) : line;
        line = '';
        startValue(header);
      }
    }
  };
}
