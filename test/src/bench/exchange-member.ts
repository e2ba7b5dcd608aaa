// One member of the exchange benchmark: averages a vector again and again and says how long each time took.
import { sha256Hex, systemClock } from '@lvnet/core';
import { openExchange } from '@lvnet/exchange';

interface Settings {
  url: string;
  run: string;
  worker: string;
  members: number;
  length: number;
  wire: 'float32' | 'bf16';
  rounds: number;
  sharedMemory: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const { length, members, rounds } = settings;
/** Memory stays from step to step, and keeps what was computed into it: only the exchange is timed. */
const holds = new WeakMap<ArrayBufferLike, number>();
function compute(shard: number, out: Float32Array): boolean {
  if (holds.get(out.buffer) !== shard)
    for (let i = 0; i < length; i++) out[i] = ((i * 31 + shard * 17) % 256) - 128;
  holds.set(out.buffer, shard);
  return true;
}

const exchange = openExchange({
  run: settings.run,
  worker: settings.worker,
  redisUrl: settings.url,
  shards: members,
  length,
  roundedLength: length,
  wire: settings.wire,
  sharedMemory: settings.sharedMemory,
  minMembers: members,
  wantedMembers: members,
  gatherMs: 60_000,
  hasLived: false,
  foundLife: () => Promise.resolve({ life: 1, step: 0 }),
  snapshot: () => {
    throw new Error('nobody joins later');
  },
  onReport: () => undefined,
});
await exchange.join(new AbortController().signal);
const seconds: number[] = [];
const cpuBefore = process.cpuUsage();
const sha = sha256Hex('the same for all');
let check = 0;
for (let step = 1; step <= rounds; step++) {
  const startMs = systemClock.monotonicMs();
  const reduced = await exchange.reduce(step, sha, compute);
  if (reduced.kind !== 'reduced') throw new Error('a shard was bad');
  await exchange.commit(step, reduced.attempt);
  seconds.push((systemClock.monotonicMs() - startMs) / 1000);
  check = reduced.sum[12_345] ?? Number.NaN;
}
await exchange.leave({ finished: true });
const { user, system } = process.cpuUsage(cpuBefore);
process.send?.({ seconds, check, cpuSeconds: (user + system) / 1e6 / rounds });
await exchange.close();
process.disconnect();
