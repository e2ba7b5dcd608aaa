import { connectRedis, type RedisScript } from '@lvnet/redis';

/** What leadership and registry speak through: single commands and scripts, each with a deadline. */
export interface ControlRedis {
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  script(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  disconnect(): void;
}

/** @throws Failure('REDIS_UNREACHABLE') */
export async function openControlRedis(url: string, name: string): Promise<ControlRedis> {
  const redis = await connectRedis(url, { role: 'command', name });
  return {
    command: (command, ...args) => redis.call(command, ...args),
    script: (script, keys, args) => script.call(redis, keys, args),
    disconnect: () => {
      redis.disconnect();
    },
  };
}
