import { connectRedis, keys } from '@lvnet/redis';
import { z } from 'zod';

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

export type ClusterRequest =
  | { kind: 'submitted'; run: string }
  | { kind: 'submittedSweep'; sweep: string }
  | { kind: 'cancel' | 'pause' | 'resume'; run: string }
  | { kind: 'jobFailed'; run: string; job: string; code: string; message: string; hint: string }
  | { kind: 'note'; run: string; text: string; viewChange?: 'join' | 'leave' | 'lost' };

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
  forgetRun(run: string): Promise<void>;
  reportProgress(run: string, progress: RunProgress): Promise<void>;
  progress(run: string): Promise<RunProgress | undefined>;
  request(request: ClusterRequest): Promise<void>;
  pendingRequests(): Promise<StoredRequest[]>;
  settle(token: string): Promise<void>;
  leader(): Promise<string | undefined>;
  close(): Promise<void>;
}

const entryTtlSeconds = 24 * 3600;

/** @throws Failure('REDIS_UNREACHABLE') */
export async function openRegistry(url: string, name: string): Promise<Registry> {
  const redis = await connectRedis(url, { role: 'command', name });
  const close = () => {
    redis.disconnect();
    return Promise.resolve();
  };
  return {
    async announceWorker(entry, leaseMs) {
      await redis.set(keys.worker(entry.worker), JSON.stringify(entry), 'PX', leaseMs);
      await redis.sadd(keys.workers(), entry.worker);
    },
    async retireWorker(worker) {
      await redis.del(keys.worker(worker));
      await redis.srem(keys.workers(), worker);
    },
    async workers() {
      const names = (await redis.smembers(keys.workers())).sort();
      if (names.length === 0) return [];
      const found = await redis.mget(names.map((name) => keys.worker(name)));
      const gone = names.filter((_, i) => typeof found[i] !== 'string');
      if (gone.length > 0) await redis.srem(keys.workers(), ...gone);
      return found.flatMap((text) => (typeof text === 'string' ? [JSON.parse(text) as WorkerEntry] : []));
    },
    async setRun(entry) {
      const known = parseRun(await redis.get(keys.run(entry.run)));
      if (known !== undefined && known.fence > entry.fence) return;
      await redis.set(keys.run(entry.run), JSON.stringify(entry), 'EX', entryTtlSeconds);
    },
    run: async (run) => parseRun(await redis.get(keys.run(run))),
    async forgetRun(run) {
      await redis.del(keys.run(run));
    },
    async reportProgress(run, progress) {
      await redis.set(keys.runProgress(run), JSON.stringify(progress), 'EX', entryTtlSeconds);
    },
    async progress(run) {
      const text = await redis.get(keys.runProgress(run));
      return text === null ? undefined : (JSON.parse(text) as RunProgress);
    },
    async request(request) {
      await redis.rpush(
        keys.requests(),
        JSON.stringify({ ...request, nonce: `${String(process.pid)}-${String(performance.now())}` }),
      );
    },
    async pendingRequests() {
      const texts = await redis.lrange(keys.requests(), 0, 99);
      return texts.map((token) => ({ token, request: JSON.parse(token) as ClusterRequest }));
    },
    async settle(token) {
      await redis.lrem(keys.requests(), 1, token);
    },
    async leader() {
      const held = await redis.get(keys.leader());
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
