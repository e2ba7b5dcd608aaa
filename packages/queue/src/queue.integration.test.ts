import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, type FailureCode } from '@lvnet/core';
import { connectRedis, startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import { createHost } from './host.js';
import type { Job } from './jobs.js';
import { createLeadership } from './leadership.js';
import { createProducer } from './producer.js';
import { openRegistry, type WorkerEntry } from './registry.js';

describe('queue on a real Redis', function () {
  this.timeout(40_000);
  let dir: string;
  let redis: PrivateRedis;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lvnet-queue-'));
    redis = await startPrivateRedis({ dir });
  });
  after(async () => {
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('lets one coordinator lead, and numbers reigns upwards', async () => {
    await using first = await createLeadership(redis.url, 'a', 60_000);
    await using second = await createLeadership(redis.url, 'b', 60_000);
    const fence = await first.hold();
    assert.ok(fence !== undefined);
    assert.equal(await first.hold(), fence, 'renewing keeps the number');
    assert.equal(await second.hold(), undefined);
    await first.release();
    const later = await second.hold();
    assert.ok(later !== undefined && later > fence, 'the next reign has a greater number');
  });

  it('numbers reigns upwards also when Redis lost everything', async () => {
    await using first = await createLeadership(redis.url, 'a', 60_000);
    const fence = (await first.hold()) ?? Number.NaN;
    const admin = await connectRedis(redis.url, { role: 'command', name: 'admin' });
    await until(async () => {
      const [seconds, micros] = await admin.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000) > fence;
    });
    await admin.flushall();
    admin.disconnect();
    const later = await first.hold();
    assert.ok(later !== undefined && later > fence);
  });

  it('forgets a worker whose lease ended and keeps requests until they are settled', async () => {
    await using registry = await openRegistry(redis.url, 'test');
    await registry.announceWorker(workerEntry('w1'), 60_000);
    await registry.announceWorker(workerEntry('w2'), 1);
    await until(async () => (await registry.workers()).length === 1);
    assert.deepEqual(
      (await registry.workers()).map((entry) => entry.worker),
      ['w1'],
    );
    await registry.request({ kind: 'cancel', run: 'r' });
    const [stored] = (await registry.pendingRequests()).requests;
    assert.equal(stored?.request.kind, 'cancel');
    assert.equal((await registry.pendingRequests()).requests.length, 1);
    await registry.settle(stored.token);
    assert.deepEqual(await registry.pendingRequests(), { requests: [], malformed: [] });
  });

  it('tells requests from what is none, and sets that aside', async () => {
    await using registry = await openRegistry(redis.url, 'test');
    const admin = await connectRedis(redis.url, { role: 'command', name: 'admin' });
    const strange = ['{"kind":"cancel"', '{"kind":"cancel"}', '{"kind":"dance","run":"r"}', 'null', ''];
    await admin.rpush('lvnet:requests', ...strange);
    await registry.request({ kind: 'note', run: 'r', text: 'good', viewChange: 'join' });
    const { requests, malformed } = await registry.pendingRequests();
    assert.deepEqual(malformed, strange);
    assert.deepEqual(
      requests.map(({ request }) => request),
      [{ kind: 'note', run: 'r', text: 'good', viewChange: 'join' }],
    );
    for (const token of malformed) await registry.setAside(token);
    for (const { token } of requests) await registry.settle(token);
    assert.deepEqual(await registry.pendingRequests(), { requests: [], malformed: [] });
    assert.deepEqual(await admin.lrange('lvnet:requests:set-aside', 0, -1), [...strange].reverse());
    admin.disconnect();
  });

  it('ignores what a former leader writes late', async () => {
    await using registry = await openRegistry(redis.url, 'test');
    const entry = { run: 'r', fingerprint: 'f', state: 'running', slots: 2 };
    await registry.setRun({ ...entry, fence: 5 });
    await registry.setRun({ ...entry, slots: 0, fence: 4 });
    assert.equal((await registry.run('r'))?.slots, 2);
  });

  it('runs a job once however often it is ensured, and frees its id afterwards', async () => {
    await using producer = await createProducer(redis.url);
    const seen: Job[] = [];
    const job: Job = { kind: 'prepare', run: 'r', case: '1' };
    for (let i = 0; i < 3; i++) await producer.ensure({ kind: 'prepare' }, 'prepare-r-1', job);
    await using host = await createHost({
      url: redis.url,
      queue: { kind: 'prepare' },
      worker: 'w',
      process: (given) => {
        seen.push(given);
        return Promise.resolve();
      },
      onGivenUp: () => Promise.resolve(),
    });
    assert.ok(host);
    await until(() => seen.length === 1);
    await until(async () => (await producer.counts({ kind: 'prepare' }))['active'] === 0);
    await producer.ensure({ kind: 'prepare' }, 'prepare-r-1', job);
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [job, job]);
  });

  it('gives up at once on what only the user can mend', async () => {
    await using producer = await createProducer(redis.url);
    const queue = { kind: 'train', fingerprint: 'unmendable' } as const;
    await producer.ensure(queue, 'train-r-0', { kind: 'train', run: 'r', slot: 0 });
    const given: string[] = [];
    await using host = await createHost({
      url: redis.url,
      queue,
      worker: 'w',
      process: () => Promise.reject(new Failure('NIFTI_INVALID', {}, { message: 'broken' })),
      onAgain: () => assert.fail('it is not tried again'),
      onGivenUp: (_, failure) => {
        given.push(failure.code);
        return Promise.resolve();
      },
    });
    assert.ok(host);
    await until(() => given.length > 0);
    assert.deepEqual(given, ['NIFTI_INVALID']);
  });

  it('tries again what failed because the store was away, and only counts the job’s own failures', async () => {
    await using producer = await createProducer(redis.url);
    await producer.ensure({ kind: 'prepare' }, 'prepare-r-2', { kind: 'prepare', run: 'r', case: '2' });
    const codes: FailureCode[] = [
      'STORE_UNREACHABLE',
      ...Array.from({ length: 6 }, () => 'CHILD_DIED' as const),
    ];
    let attempt = 0;
    const again: FailureCode[] = [];
    const given: number[] = [];
    await using host = await createHost({
      url: redis.url,
      queue: { kind: 'prepare' },
      worker: 'w',
      process: () => Promise.reject(new Failure(codes[attempt++] ?? 'INTERNAL', {}, { message: 'no' })),
      onAgain: (_, failure) => {
        again.push(failure.code);
        return Promise.resolve();
      },
      onGivenUp: () => {
        given.push(attempt);
        return Promise.resolve();
      },
    });
    assert.ok(host);
    await until(() => given.length > 0);
    assert.deepEqual(given, [7]);
    assert.deepEqual(again, codes.slice(0, 6));
  });

  it('starts a killed holder’s job elsewhere within seconds', async () => {
    await using producer = await createProducer(redis.url);
    const queue = { kind: 'train', fingerprint: 'killed' } as const;
    const fixture = fileURLToPath(new URL('./holder.fixture.js', import.meta.url));
    const holder = fork(fixture, [redis.url, queue.fingerprint], { stdio: 'inherit' });
    await producer.ensure(queue, 'train-r-1', { kind: 'train', run: 'r', slot: 1 });
    await once(holder, 'message');
    holder.kill('SIGKILL');
    const killedMs = performance.now();
    let takenMs: number | undefined;
    await using host = await createHost({
      url: redis.url,
      queue,
      worker: 'w2',
      process: () => {
        takenMs ??= performance.now();
        return Promise.resolve();
      },
      onGivenUp: () => Promise.resolve(),
    });
    assert.ok(host);
    await until(() => takenMs !== undefined);
    assert.equal(holder.signalCode, 'SIGKILL');
    assert.ok((takenMs ?? Infinity) - killedMs < 12_000, 'taken over within 12 s');
  });
});

function workerEntry(worker: string): WorkerEntry {
  return {
    worker,
    host: 'h',
    pid: 1,
    engine: 'native',
    fingerprint: 'f',
    threads: 1,
    startedAt: '',
    metricsPort: null,
    activity: 'idle',
    run: null,
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
