import { connect, type Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Failure } from '@lvnet/core';
import { parseRedisUrl, redactUrl } from '@lvnet/redis';
import { createParser, type Reply, type Sink } from './resp.js';

/** Several arrays are one value, lying in pieces. */
export type Argument = string | number | Uint8Array | readonly Uint8Array[];

/**
 * A small Redis client for large values: arguments are written from where they lie, large replies are read
 * from the socket straight into the caller's memory. One connection; whoever uses it opens a new one when it ends.
 */
export interface BlobClient {
  /** @param sink where a bulk reply is to go; without one it comes as a Buffer of its own */
  command(args: readonly Argument[], sink?: Sink): Promise<Reply>;
  /** Messages of subscribed channels: (channel, payload). */
  onMessage(listener: (channel: string, payload: string) => void): void;
  readonly closed: boolean;
  onClosed(listener: () => void): void;
  close(): void;
}

interface Pending {
  resolve(reply: Reply): void;
  reject(error: Error): void;
  sink: Sink | undefined;
}

/** A connection on which a reply is due and nothing has come for so long is taken for dead. */
const silenceLimitMs = 5_000;
const watchEveryMs = 500;

/** @throws Failure('REDIS_UNREACHABLE' | 'REDIS_DENIED') */
export async function openBlobClient(url: string, limitMs: number): Promise<BlobClient> {
  const address = parseRedisUrl(url);
  const client = await openClient(url, limitMs);
  try {
    if (address.password !== undefined) {
      const user = address.username === undefined ? [] : [address.username];
      await client.command(['AUTH', ...user, address.password]);
    }
    if (address.db !== 0) await client.command(['SELECT', address.db]);
  } catch (cause) {
    client.close();
    const message = `${redactUrl(url)} refused the login.`;
    const hint = 'Check user and password.';
    throw new Failure('REDIS_DENIED', { url: redactUrl(url) }, { message, hint, cause });
  }
  return client;
}

function openClient(url: string, limitMs: number): Promise<BlobClient> {
  const { path, host = '127.0.0.1', port = 6379, tls } = parseRedisUrl(url);
  const reader = createReader();
  return new Promise((resolve, reject) => {
    // Node reads into memory of our choice, except through TLS.
    const socket =
      tls && path === undefined
        ? connectTls({ host, port })
        : connect({
            ...(path === undefined ? { host, port, noDelay: true } : { path }),
            onread: reader.onread,
          } as SocketConstructorOpts & TcpSocketConnectOpts);
    const fail = (cause?: unknown) => {
      socket.destroy();
      const message = `${redactUrl(url)} does not answer.`;
      const hint = 'Is the server up?';
      reject(new Failure('REDIS_UNREACHABLE', { url: redactUrl(url) }, { message, hint, cause }));
    };
    socket.setTimeout(limitMs, fail);
    socket.once('error', fail);
    socket.once(tls && path === undefined ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0);
      socket.off('timeout', fail);
      socket.off('error', fail);
      resolve(clientOver(socket, reader));
    });
  });
}

type Reader = ReturnType<typeof createReader>;

/** Hands chunks to the parser; gives Node the memory to read into: that of the value under way, if it is large. */
function createReader() {
  const scratch = Buffer.allocUnsafeSlow(65_536);
  const pending: Pending[] = [];
  let onPush: (reply: Reply[]) => void = () => undefined;
  let lastMs = performance.now();
  const parser = createParser({
    sinkOfNext: () => pending[0]?.sink,
    onReply(reply) {
      if (Array.isArray(reply) && Buffer.isBuffer(reply[0]) && reply[0].toString() === 'message') {
        onPush(reply);
        return;
      }
      const next = pending.shift();
      if (reply instanceof Error) next?.reject(reply);
      else next?.resolve(reply);
    },
  });
  return {
    pending,
    heardMs: () => lastMs,
    touch: () => {
      lastMs = performance.now();
    },
    setOnPush: (listener: (reply: Reply[]) => void) => (onPush = listener),
    feed: (chunk: Buffer) => {
      lastMs = performance.now();
      parser.feed(chunk);
    },
    onread: {
      buffer: () => parser.target() ?? scratch,
      callback: (count: number, buffer: Uint8Array) => {
        lastMs = performance.now();
        if (!parser.filled(buffer, count)) parser.feed(scratch.subarray(0, count));
        return true;
      },
    },
  };
}

function clientOver(socket: Socket, reader: Reader): BlobClient {
  const { pending } = reader;
  const listeners: ((channel: string, payload: string) => void)[] = [];
  const closers: (() => void)[] = [];
  let closed = false;
  reader.setOnPush(([, channel, payload]) => {
    for (const listener of listeners) listener(String(channel), String(payload));
  });
  let tickMs = performance.now();
  const watch = setInterval(() => {
    const lateMs = performance.now() - tickMs - watchEveryMs;
    tickMs = performance.now();
    // A process that slept sees its timers before what came meanwhile: it gives the server another chance.
    if (lateMs > watchEveryMs) reader.touch();
    else if (pending.length > 0 && tickMs - reader.heardMs() > silenceLimitMs) socket.destroy();
  }, watchEveryMs);
  const end = () => {
    if (closed) return;
    closed = true;
    clearInterval(watch);
    for (const waiting of pending.splice(0)) waiting.reject(new Error('the connection to Redis ended'));
    for (const closer of closers) closer();
  };
  socket.on('data', reader.feed);
  socket.on('error', () => socket.destroy());
  socket.on('close', end);
  return {
    command(args, sink) {
      if (closed) return Promise.reject(new Error('the connection to Redis ended'));
      return new Promise((resolve, reject) => {
        if (pending.length === 0) reader.touch();
        pending.push({ resolve, reject, sink });
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

/** Corked, so that the parts of a command leave in one writev. */
function writeCommand(socket: Socket, args: readonly Argument[]): void {
  socket.cork();
  let text = `*${String(args.length)}\r\n`;
  for (const argument of args) {
    if (typeof argument === 'string' || typeof argument === 'number') {
      const value = String(argument);
      text += `$${String(Buffer.byteLength(value))}\r\n${value}\r\n`;
    } else {
      const pieces = argument instanceof Uint8Array ? [argument] : argument;
      const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
      socket.write(`${text}$${String(length)}\r\n`);
      for (const piece of pieces) if (piece.byteLength > 0) socket.write(piece);
      text = '\r\n';
    }
  }
  socket.write(text);
  socket.uncork();
}
