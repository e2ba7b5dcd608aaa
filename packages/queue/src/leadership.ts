import { defineScript, keys } from '@lvnet/redis';
import { openControlRedis, type ControlRedis } from './control-redis.js';

/**
 * One coordinator acts at a time. The lock carries a fencing number that only grows, also when control
 * Redis comes back empty or with old data, because it follows the server's clock: whatever the leader
 * writes can be told from what a former, sleeping leader writes late.
 */
export interface Leadership extends AsyncDisposable {
  /** Who does not renew the lock for so long has lost it. */
  readonly leaseMs: number;
  /** Takes or renews the lock; the fencing number, or undefined while another leads. */
  hold(): Promise<number | undefined>;
  release(): Promise<void>;
}

export const holdLead = defineScript(
  'lvnetHoldLeadership',
  `local held = redis.call('GET', KEYS[1])
   if held then
     local cut = string.find(held, ' ', 1, true)
     if string.sub(held, cut + 1) ~= ARGV[1] then return 0 end
     redis.call('PEXPIRE', KEYS[1], ARGV[2])
     return tonumber(string.sub(held, 1, cut - 1))
   end
   local time = redis.call('TIME')
   local now = time[1] * 1000 + math.floor(time[2] / 1000)
   local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, now)
   local text = string.format('%.0f', fence)
   redis.call('SET', KEYS[2], text)
   redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1], 'PX', ARGV[2])
   return fence`,
  2,
);

export const releaseLead = defineScript(
  'lvnetReleaseLeadership',
  `local held = redis.call('GET', KEYS[1])
   if held and string.sub(held, string.find(held, ' ', 1, true) + 1) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
   return 0`,
  1,
);

/**
 * @param identity contains a random part drawn at process start
 * @throws Failure('REDIS_UNREACHABLE')
 */
export async function createLeadership(url: string, identity: string, leaseMs: number): Promise<Leadership> {
  return leadershipOver(await openControlRedis(url, 'lvnet-leadership'), identity, leaseMs);
}

export function leadershipOver(redis: ControlRedis, identity: string, leaseMs: number): Leadership {
  const release = async () => {
    await redis.script(releaseLead, [keys.leader()], [identity]).catch(() => 0); // it expires by itself
    redis.disconnect();
  };
  return {
    leaseMs,
    async hold() {
      const names = [keys.leader(), keys.leaderFence()];
      const fence = Number(await redis.script(holdLead, names, [identity, leaseMs]));
      return fence === 0 ? undefined : fence;
    },
    release,
    [Symbol.asyncDispose]: release,
  };
}
