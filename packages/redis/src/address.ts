import { Failure } from '@lvnet/core';

/** Where a server is and how to log in; what both clients (ioredis and the blob client) are opened with. */
export interface RedisAddress {
  /** Unix socket, when the URL names one. */
  path?: string;
  host?: string;
  port?: number;
  tls: boolean;
  username?: string;
  password?: string;
  db: number;
}

/**
 * Reads `redis://[user[:password]@]host[:port][/db]`, `rediss://...` or `unix:///socket[?db=N]`
 * (`unix://user:password@/socket` with a login).
 *
 * @throws Failure('ARGUMENT_INVALID')
 */
export function parseRedisUrl(url: string): RedisAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['redis:', 'rediss:', 'unix:'].includes(parsed.protocol)) throw invalid(url);
  const login = {
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
  };
  if (parsed.protocol === 'unix:') {
    const path = decodeURIComponent(parsed.pathname);
    if (!path.startsWith('/')) throw invalid(url);
    return { path, tls: false, db: databaseOf(parsed.searchParams.get('db') ?? '', url), ...login };
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  if (host === '') throw invalid(url);
  const port = parsed.port === '' ? 6379 : Number(parsed.port);
  const db = databaseOf(parsed.pathname.replace(/^\//, ''), url);
  return { host, port, tls: parsed.protocol === 'rediss:', db, ...login };
}

/** The URL as it may be shown: without password. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)([^/@]*)@/i, (_, scheme: string, login: string) =>
    login.includes(':') ? `${scheme}${login.slice(0, login.indexOf(':'))}:***@` : `${scheme}${login}@`,
  );
}

function databaseOf(text: string, url: string): number {
  if (!/^\d*$/.test(text)) throw invalid(url);
  return Number(text);
}

function invalid(url: string): Failure {
  return new Failure(
    'ARGUMENT_INVALID',
    { url: redactUrl(url) },
    {
      message: `${redactUrl(url)} is not a Redis address.`,
      hint: 'Write redis://host:port/db, rediss://user:password@host:port or unix:///path/to.sock.',
    },
  );
}
