import type { Redis } from 'ioredis';
import { Failure } from '@lvnet/core';
import { redactUrl } from './address.js';
import { connectRedis } from './connect.js';

export interface ServerFacts {
  version: string;
  kind: 'redis' | 'valkey';
  maxMemoryPolicy: string;
}

/** What INFO says about the server; pure. */
export function readServerInfo(info: string): ServerFacts {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const valkey = field('valkey_version');
  return {
    version: valkey ?? field('redis_version') ?? '0',
    kind: valkey === undefined ? 'redis' : 'valkey',
    maxMemoryPolicy: field('maxmemory_policy') ?? 'unknown',
  };
}

/**
 * Makes sure that the servers at these addresses suit, each of them once.
 *
 * @throws Failure('REDIS_UNSUITABLE') naming the server, with the command that mends it, Failure('REDIS_UNREACHABLE')
 */
export async function checkServersAt(urls: readonly string[]): Promise<void> {
  for (const url of new Set(urls)) {
    const redis = await connectRedis(url, { role: 'command', name: 'lvnet-check' });
    try {
      await checkServer(redis, redactUrl(url));
    } finally {
      redis.disconnect();
    }
  }
}

/**
 * Makes sure that the server is new enough and never throws keys away.
 *
 * @throws Failure('REDIS_UNSUITABLE') with the command that mends it
 */
export async function checkServer(
  redis: Pick<Redis, 'info'>,
  name = 'The server',
): Promise<{ version: string; kind: 'redis' | 'valkey' }> {
  const { version, kind, maxMemoryPolicy } = readServerInfo(await redis.info());
  if (Number.parseInt(version, 10) < 7) {
    throw unsuitable(
      `${name} is too old: ${kind} ${version}`,
      'Install Redis 7 or newer (npx lvnet setup redis).',
      {
        version,
      },
    );
  }
  if (maxMemoryPolicy !== 'noeviction') {
    const hint = 'Run on that server: redis-cli CONFIG SET maxmemory-policy noeviction';
    throw unsuitable(`${name} may evict keys (maxmemory-policy ${maxMemoryPolicy})`, hint, {
      maxMemoryPolicy,
    });
  }
  return { version, kind };
}

function unsuitable(what: string, hint: string, details: Record<string, unknown>): Failure {
  return new Failure('REDIS_UNSUITABLE', details, { message: `${what}.`, hint });
}
