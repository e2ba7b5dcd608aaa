import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Failure, sleep } from '@lvnet/core';
import { connectRedis } from './connect.js';
import { findRedisServer } from './server-binary.js';

export interface PrivateRedisOptions {
  /** Folder of the server's files; made when absent. */
  dir: string;
  /** Append-only file, written every second (control server). Default false: nothing is kept. */
  aof?: boolean;
  /** TCP port; default: a free one. */
  port?: number;
}

export interface PrivateRedis extends AsyncDisposable {
  /** redis://127.0.0.1:port */
  readonly url: string;
  /** unix:///... of the same server: faster for those on this machine. */
  readonly socketUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** Resolves when the server has ended, whoever ended it. */
  readonly ended: Promise<void>;
  /** Ends it: SIGTERM, then SIGKILL. */
  stop(): Promise<void>;
}

/** Unix socket paths are limited to 107 bytes by the kernel. */
const SOCKET_PATH_MAX_BYTES = 107;

/** Somebody may take a free port between our look and the server's start: so many are tried. */
const PORTS_TRIED = 5;
const START_DEADLINE_MS = 15_000;

/**
 * Starts a server of our own on loopback and waits until it answers. It never evicts, and it dies with us.
 *
 * @param choosePort where none is given
 * @throws Failure('TOOL_MISSING') without a server program, Failure('REDIS_UNREACHABLE') when it does not come up,
 *   Failure('PORT_IN_USE')
 */
export async function startPrivateRedis(
  o: PrivateRedisOptions,
  choosePort: () => Promise<number> = freePort,
): Promise<PrivateRedis> {
  const { path, version } = await findRedisServer();
  await mkdir(o.dir, { recursive: true });
  for (let tried = 1; ; tried++) {
    try {
      return await startOn(o.port ?? (await choosePort()), path, version, o);
    } catch (error) {
      const isTaken = error instanceof Failure && error.code === 'PORT_IN_USE';
      if (!isTaken || o.port !== undefined || tried === PORTS_TRIED) throw error;
    }
  }
}

async function startOn(
  port: number,
  path: string,
  version: string,
  o: PrivateRedisOptions,
): Promise<PrivateRedis> {
  const socketPath = join(o.dir, 'redis.sock');
  const hasSocket = Buffer.byteLength(socketPath) <= SOCKET_PATH_MAX_BYTES;
  await rm(socketPath, { force: true });
  const child = spawnBound(path, serverArguments(o, port, hasSocket ? socketPath : undefined));
  const tail = keepTail(child);
  const ended = once(child, 'exit').then(() => undefined);
  const stop = () => stopChild(child, ended);
  const url = `redis://127.0.0.1:${String(port)}`;
  const settled = new AbortController();
  try {
    await Promise.race([
      untilReady(url, o.dir, settled.signal),
      ended.then(() => {
        throw diedAtStart(path, url, tail());
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    settled.abort();
  }
  const socketUrl = hasSocket ? `unix://${socketPath}` : url;
  const pid = child.pid ?? 0;
  return { url, socketUrl, port, pid, version, ended, stop, [Symbol.asyncDispose]: stop };
}

function serverArguments(o: PrivateRedisOptions, port: number, socketPath: string | undefined): string[] {
  return [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', o.dir, '--save', '', '--daemonize', 'no'],
    ...(socketPath === undefined ? [] : ['--unixsocket', socketPath, '--unixsocketperm', '700']),
    ...(o.aof === true ? ['--appendonly', 'yes', '--appendfsync', 'everysec'] : ['--appendonly', 'no']),
    ...['--maxmemory-policy', 'noeviction', '--client-output-buffer-limit', 'normal', '0', '0', '0'],
  ];
}

/** setpriv asks the kernel to end the server with us, kill -9 included; else a shell watches our process id. */
function spawnBound(path: string, args: string[]): ChildProcess {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((candidate) => existsSync(candidate));
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  // In a process group of its own, so that Ctrl-C does not end it before those who still write to it.
  const options = { stdio, detached: true };
  if (setpriv !== undefined) return spawn(setpriv, ['--pdeathsig', 'KILL', '--', path, ...args], options);
  const watch =
    'p=$1; shift; "$@" & c=$!; trap "kill $c; wait $c; exit" TERM; while kill -0 $p 2>/dev/null && kill -0 $c 2>/dev/null; do sleep 1 & wait $!; done; kill -9 $c 2>/dev/null';
  return spawn('/bin/sh', ['-c', watch, 'sh', String(process.pid), path, ...args], options);
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-2000);
    });
  }
  child.on('error', (error) => {
    tail += error.message;
    child.emit('exit', null, null);
  });
  return () => tail;
}

/** Where another server answers, ours is about to end, since it does not get the port. */
async function untilReady(url: string, dir: string, signal: AbortSignal): Promise<void> {
  const redis = await connectRedis(url, {
    role: 'command',
    name: 'lvnet-start',
    connectDeadlineMs: START_DEADLINE_MS,
    signal,
  });
  try {
    const reply = await redis.config('GET', 'dir');
    if (reply[1] === (await realpath(dir))) return;
  } finally {
    redis.disconnect();
  }
  await sleep(START_DEADLINE_MS, signal);
  throw portInUse(url, 'another Redis answers there');
}

function diedAtStart(path: string, url: string, tail: string): Failure {
  const lastLines = tail.trim().split('\n').slice(-3).join('\n');
  const message = `${path} ended while starting: ${lastLines}`;
  if (/address already in use/i.test(tail)) return portInUse(url, message);
  return new Failure('REDIS_UNREACHABLE', { path }, { message, hint: 'See the lines above for the reason.' });
}

function portInUse(url: string, message: string): Failure {
  return new Failure('PORT_IN_USE', { url }, { message: `${url}: ${message}`, hint: 'Choose another port.' });
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const waited = new AbortController();
  const tooLate = sleep(3000, waited.signal).then(
    () => child.kill('SIGKILL'),
    () => false,
  );
  await Promise.race([ended, tooLate]);
  await ended;
  waited.abort();
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
