import { createRequire } from 'node:module';
import type * as ioredis from 'ioredis';
import type { Redis, RedisOptions } from 'ioredis';
import { Failure, withDeadline } from '@lvnet/core';
import { parseRedisUrl, redactUrl, type RedisAddress } from './address.js';

/**
 * Required, as an import would first search the whole package for its names; and not before somebody connects: the
 * exchange's thread has a client of its own and never does.
 */
const library = () => createRequire(import.meta.url)('ioredis') as typeof ioredis;

/**
 * command: ordinary calls, each with a deadline; survives short outages.
 * producer: fails at once while the server is away.
 * blocking: BullMQ workers; waits without limit.
 * subscriber: pub/sub only.
 */
export type ConnectionRole = 'command' | 'producer' | 'blocking' | 'subscriber';

export interface ConnectOptions {
  role: ConnectionRole;
  /** Shown by CLIENT LIST. */
  name: string;
  /** How long the first connection may take, retries included. */
  connectDeadlineMs?: number;
  /** Told about every connection error; without it they are ignored (the client reconnects by itself). */
  onError?: (error: Error) => void;
  signal?: AbortSignal;
}

/** Without reply mapping: replies as protocol 2 gives them. */
type LegacyOptions = Omit<RedisOptions, 'replyMapping'>;

const RETRY_MAX_MS = 1000;
const COMMAND_TIMEOUT_MS = 10_000;

/**
 * A connected client; the caller closes it with `quit` or `disconnect`.
 *
 * @throws Failure('REDIS_UNREACHABLE') when nobody answers before the deadline
 * @throws Failure('REDIS_DENIED') when the server refuses the login
 */
export async function connectRedis(url: string, o: ConnectOptions): Promise<Redis> {
  const redis = new (library().Redis)(optionsOf(parseRedisUrl(url), o));
  let lastError: Error | undefined;
  let denied: ((error: Error) => void) | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
    o.onError?.(error);
    if (isDenial(error)) denied?.(error);
  });
  try {
    await withDeadline(
      'Connecting to Redis',
      o.connectDeadlineMs ?? 5000,
      (signal) =>
        new Promise<void>((resolve, reject) => {
          denied = reject;
          redis.once('ready', resolve);
          signal.addEventListener(
            'abort',
            () => {
              reject(cancelled(signal));
            },
            { once: true },
          );
          redis.connect().catch(() => undefined); // retried by the client; 'ready' or the deadline decides
        }),
      o.signal,
    );
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw asConnectFailure(error, lastError, url);
  } finally {
    denied = undefined;
  }
}

function optionsOf(address: RedisAddress, o: ConnectOptions): LegacyOptions {
  const { tls, ...where } = address;
  return {
    ...where,
    ...(tls ? { tls: {} } : {}),
    lazyConnect: true,
    protocol: 2,
    connectionName: o.name.replace(/[^\x21-\x7e]/g, '_'),
    disableClientInfo: true,
    connectTimeout: o.connectDeadlineMs ?? 5000,
    retryStrategy: (times) => Math.min(RETRY_MAX_MS, 25 * 2 ** Math.min(times, 6)),
    ...roleOptions(o.role),
  };
}

function roleOptions(role: ConnectionRole): LegacyOptions {
  switch (role) {
    case 'command':
      return { commandTimeout: COMMAND_TIMEOUT_MS, maxRetriesPerRequest: 20, enableOfflineQueue: true };
    case 'producer':
      return { commandTimeout: COMMAND_TIMEOUT_MS, maxRetriesPerRequest: 1, enableOfflineQueue: false };
    case 'blocking':
    case 'subscriber':
      return { maxRetriesPerRequest: null, enableOfflineQueue: true };
  }
}

const isDenial = (error: Error) =>
  /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH)/.test(bare(error));
const bare = (error: Error) => error.message.replace(/^Ready check failed: /, '');

function cancelled(signal: AbortSignal): Error {
  return signal.reason instanceof Error
    ? signal.reason
    : new Failure('CANCELLED', {}, { message: 'Connecting to Redis was cancelled.' });
}

function asConnectFailure(error: unknown, last: Error | undefined, url: string): unknown {
  const shown = redactUrl(url);
  const cause = error instanceof Failure ? (last ?? error) : error;
  if (cause instanceof Error && isDenial(cause)) {
    const hint = 'Put the right user and password into the URL: redis://user:password@host:port.';
    return new Failure(
      'REDIS_DENIED',
      { url: shown },
      { message: `Redis at ${shown} refused the login.`, hint, cause },
    );
  }
  if (error instanceof Failure && error.code !== 'DEADLINE') return error;
  return new Failure(
    'REDIS_UNREACHABLE',
    { url: shown },
    {
      message: `No Redis answers at ${shown}${last === undefined ? '' : ` (${last.message})`}.`,
      hint: 'Start a Redis server there, or set LVNET_REDIS_URL to where one runs.',
      cause,
    },
  );
}
