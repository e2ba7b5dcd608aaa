import { defineScript, keys } from '@lvnet/redis';
import { z } from 'zod';
import { openControlRedis, type ControlRedis } from './control-redis.js';

/** A live worker, as it describes itself; the entry expires with its lease. */
export interface WorkerEntry {
  worker: string;
  host: string;
  pid: number;
  engine: string;
  fingerprint: string;
  threads: number;
  startedAt: string;
  metricsPort: number | null;
  activity: string;
  /** The run that it is a member of. */
  run: string | null;
}

/** What the leader wants of a run; workers ask before they act. */
export interface RunEntry {
  run: string;
  fingerprint: string;
  state: string;
  /** Members wanted; a train job of a slot beyond is not wanted. */
  slots: number;
  /** Steps at which a leaving member writes a checkpoint, and why, are the trainer's own matter. */
  fence: number;
}

/** The run as its writing member sees it after a step. */
export interface RunProgress {
  step: number;
  epoch: number;
  stepsTotal: number;
  digest: string;
  losses: Record<string, number>;
  members: { worker: string; shards: number[] }[];
  life: number;
  samplesPerSecond: number;
  stepSeconds: number;
  checkpoint: { step: number; at: string } | null;
  at: string;
}

const requestSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('submitted'), run: z.string() }),
  z.object({ kind: z.literal('submittedSweep'), sweep: z.string() }),
  z.object({ kind: z.enum(['cancel', 'pause', 'resume']), run: z.string() }),
  z.object({
    kind: z.literal('jobFailed'),
    ...{ run: z.string(), job: z.string(), code: z.string(), message: z.string(), hint: z.string() },
  }),
  z.object({
    kind: z.literal('note'),
    run: z.string(),
    text: z.string(),
    viewChange: z.enum(['join', 'leave', 'lost']).exactOptional(),
  }),
]);

export type ClusterRequest = z.infer<typeof requestSchema>;

export interface StoredRequest {
  request: ClusterRequest;
  /** Hand this back to `settle` once the request is acted upon. */
  token: string;
}

/** Control Redis as working memory; every method is idempotent, so a command sent twice does no harm. */
export interface Registry extends AsyncDisposable {
  announceWorker(entry: WorkerEntry, leaseMs: number): Promise<void>;
  retireWorker(worker: string): Promise<void>;
  workers(): Promise<WorkerEntry[]>;
  /** The leader's wish; one with an older fencing number is ignored. */
  setRun(entry: RunEntry): Promise<void>;
  run(run: string): Promise<RunEntry | undefined>;
  reportProgress(run: string, progress: RunProgress): Promise<void>;
  progress(run: string): Promise<RunProgress | undefined>;
  request(request: ClusterRequest): Promise<void>;
  /** In the order in which they came; `malformed`: tokens that are no requests. */
  pendingRequests(): Promise<{ requests: StoredRequest[]; malformed: string[] }>;
  settle(token: string): Promise<void>;
  /** Takes what is no request out of the way, and keeps the last hundred of them for whoever looks into it. */
  setAside(token: string): Promise<void>;
  leader(): Promise<string | undefined>;
  close(): Promise<void>;
}

const keptAside = 100;
const entryTtlSeconds = 24 * 3600;

/** In one go: between a look and a write another leader could have written. */
export const setRunEntry = defineScript(
  'lvnetSetRunEntry',
  `local known = redis.call('GET', KEYS[1])
   if known and cjson.decode(known).fence > tonumber(ARGV[2]) then return 0 end
   redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
   return 1`,
  1,
);

/** @throws Failure('REDIS_UNREACHABLE') */
export async function openRegistry(url: string, name: string): Promise<Registry> {
  return registryOver(await openControlRedis(url, name));
}

export function registryOver(redis: ControlRedis): Registry {
  const text = async (key: string) => (await redis.command('GET', key)) as string | null;
  const list = async (command: string, ...args: (string | number)[]) =>
    (await redis.command(command, ...args)) as (string | null)[];
  const close = () => {
    redis.disconnect();
    return Promise.resolve();
  };
  return {
    async announceWorker(entry, leaseMs) {
      await redis.command('SET', keys.worker(entry.worker), JSON.stringify(entry), 'PX', leaseMs);
      await redis.command('SADD', keys.workers(), entry.worker);
    },
    async retireWorker(worker) {
      await redis.command('DEL', keys.worker(worker));
      await redis.command('SREM', keys.workers(), worker);
    },
    async workers() {
      const names = (await list('SMEMBERS', keys.workers())).filter((name) => name !== null).sort();
      if (names.length === 0) return [];
      const found = await list('MGET', ...names.map((name) => keys.worker(name)));
      const gone = names.filter((_, i) => typeof found[i] !== 'string');
      if (gone.length > 0) await redis.command('SREM', keys.workers(), ...gone);
      return found.flatMap((entry) => (typeof entry === 'string' ? [JSON.parse(entry) as WorkerEntry] : []));
    },
    async setRun(entry) {
      const args = [JSON.stringify(entry), entry.fence, entryTtlSeconds];
      await redis.script(setRunEntry, [keys.run(entry.run)], args);
    },
    run: async (run) => parseRun(await text(keys.run(run))),
    async reportProgress(run, progress) {
      await redis.command('SET', keys.runProgress(run), JSON.stringify(progress), 'EX', entryTtlSeconds);
    },
    async progress(run) {
      const found = await text(keys.runProgress(run));
      return found === null ? undefined : (JSON.parse(found) as RunProgress);
    },
    async request(request) {
      const nonce = `${String(process.pid)}-${String(performance.now())}`;
      await redis.command('RPUSH', keys.requests(), JSON.stringify({ ...request, nonce }));
    },
    async pendingRequests() {
      const tokens = (await list('LRANGE', keys.requests(), 0, 99)).filter((token) => token !== null);
      const found = tokens.map((token) => ({ token, request: parseRequest(token) }));
      return {
        requests: found.flatMap(({ token, request }) => (request === undefined ? [] : [{ token, request }])),
        malformed: found.filter(({ request }) => request === undefined).map(({ token }) => token),
      };
    },
    async settle(token) {
      await redis.command('LREM', keys.requests(), 1, token);
    },
    async setAside(token) {
      await redis.command('LPUSH', keys.requestsSetAside(), token);
      await redis.command('LTRIM', keys.requestsSetAside(), 0, keptAside - 1);
      await redis.command('LREM', keys.requests(), 1, token);
    },
    async leader() {
      const held = await text(keys.leader());
      return held?.slice(held.indexOf(' ') + 1);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const runEntrySchema = z.object({
  run: z.string(),
  fingerprint: z.string(),
  state: z.string(),
  slots: z.number(),
  fence: z.number(),
});

function parseRun(text: string | null): RunEntry | undefined {
  return text === null ? undefined : runEntrySchema.parse(JSON.parse(text));
}

function parseRequest(token: string): ClusterRequest | undefined {
  try {
    return requestSchema.parse(JSON.parse(token));
  } catch {
    return undefined; // whoever leads tells of it
  }
}
