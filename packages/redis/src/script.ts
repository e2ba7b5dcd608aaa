import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

type Argument = string | number | Uint8Array;

export interface RedisScript {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
  readonly keyCount: number;
  /** Runs it atomically; the reply is Lua's value as the client decodes it. */
  call(redis: Redis, keys: readonly string[], args: readonly Argument[]): Promise<unknown>;
}

/** One atomic change as Lua: sent by its hash, with its text when the server does not know it yet. */
export function defineScript(name: string, lua: string, keyCount: number): RedisScript {
  const sha1 = createHash('sha1').update(lua).digest('hex');
  return {
    name,
    lua,
    sha1,
    keyCount,
    async call(redis, keys, args) {
      if (keys.length !== keyCount) throw new RangeError(`${name} takes ${String(keyCount)} keys`);
      const rest = [...keys, ...args.map(asBuffer)];
      try {
        return await redis.evalsha(sha1, keyCount, ...rest);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return redis.eval(lua, keyCount, ...rest);
      }
    },
  };
}

function asBuffer(value: Argument): string | number | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}
