import type { Redis } from 'ioredis';
import { Failure } from '@lvnet/core';

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
 * Makes sure that the server is new enough and never throws keys away.
 *
 * @throws Failure('REDIS_UNSUITABLE') with the command that mends it
 */
export async function checkServer(redis: Redis): Promise<{ version: string; kind: 'redis' | 'valkey' }> {
  const { version, kind, maxMemoryPolicy } = readServerInfo(await redis.info());
  if (Number.parseInt(version, 10) < 7) {
    throw unsuitable(`${kind} ${version} is too old`, 'Install Redis 7 or newer (npx lvnet setup redis).', {
      version,
    });
  }
  if (maxMemoryPolicy !== 'noeviction') {
    const hint = 'Run: redis-cli CONFIG SET maxmemory-policy noeviction';
    throw unsuitable(`The server may evict keys (maxmemory-policy ${maxMemoryPolicy})`, hint, {
      maxMemoryPolicy,
    });
  }
  return { version, kind };
}

function unsuitable(what: string, hint: string, details: Record<string, unknown>): Failure {
  return new Failure('REDIS_UNSUITABLE', details, { message: `${what}.`, hint });
}
