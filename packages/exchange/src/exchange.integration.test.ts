import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '@lvnet/core';
import { nativeSegments } from '@lvnet/kernels';
import { connectRedis, startPrivateRedis, type PrivateRedis } from '@lvnet/redis';
import type { ExchangeFact } from './messages.js';

interface Step {
  step: number;
  sha: string;
  computed: number[];
  members: number;
}

interface MemberProcess {
  child: ChildProcess;
  steps: Step[];
  facts: ExchangeFact[];
  failures: string[];
  /** What its failures said. */
  words: string[];
  end: Promise<string>;
}

interface Said {
  kind: string;
  sha?: string;
  fact?: ExchangeFact;
  code?: string;
  message?: string;
}

interface Case {
  shards: number;
  /** A member's own. */
  version?: string;
  length?: number;
  steps?: number;
  wire?: 'float32' | 'bf16';
  wanted: number;
  stepMs?: number;
  gatherMs?: number;
  leaseMs?: number;
  /** Default: true. */
  sharedMemory?: boolean;
}

const fixture = fileURLToPath(new URL('./member.fixture.js', import.meta.url));

describe('exchange with real processes', function () {
  this.timeout(60_000);
  let folder = '';
  let redis: PrivateRedis;
  let cases = 0;
  const running = new Set<ChildProcess>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lvnet-x-'));
    redis = await startPrivateRedis({ dir: join(folder, 'r') });
  });
  after(async () => {
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const child of running) child.kill('SIGKILL');
    running.clear();
    const client = await connectRedis(redis.url, { role: 'command', name: 'test' });
    await client.flushall();
    client.disconnect();
  });

  async function newFolder(): Promise<string> {
    const path = join(folder, String(cases++));
    await mkdir(path);
    return path;
  }

  function start(worker: string, where: string, o: Case): MemberProcess {
    const settings = {
      length: 1_003,
      steps: 30,
      wire: 'float32',
      stepMs: 0,
      gatherMs: 20_000,
      ...o,
      url: redis.socketUrl,
      worker,
      folder: where,
    };
    const child = fork(fixture, [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    running.add(child);
    const member: Omit<MemberProcess, 'end'> = { child, steps: [], facts: [], failures: [], words: [] };
    const end = new Promise<string>((resolve, reject) => {
      child.on('message', (message) => {
        const said = message as Said;
        if (said.kind === 'step') member.steps.push(message as Step);
        if (said.kind === 'fact' && said.fact !== undefined) member.facts.push(said.fact);
        if (said.kind === 'failure') member.failures.push(said.code ?? '');
        if (said.kind === 'failure') member.words.push(said.message ?? '');
        if (said.kind === 'end') resolve(said.sha ?? '');
      });
      child.on('exit', (code, signal) => {
        reject(new Error(`member ended: ${String(code)} ${String(signal)}`));
      });
    });
    end.catch(() => undefined);
    return { ...member, end };
  }

  const expected = new Map<string, string>();
  async function alone(o: Case): Promise<string> {
    const { wanted: _wanted, stepMs: _stepMs, gatherMs: _gatherMs, ...content } = o;
    const name = JSON.stringify(content);
    const known = expected.get(name);
    if (known !== undefined) return known;
    const sha = await start('alone', await newFolder(), { ...o, wanted: 1, stepMs: 0 }).end;
    expected.set(name, sha);
    return sha;
  }

  async function reaches(member: MemberProcess, step: number): Promise<void> {
    const endMs = performance.now() + 30_000;
    while ((member.steps.at(-1)?.step ?? 0) < step) {
      assert.ok(performance.now() < endMs, `step ${String(step)} was not reached`);
      await sleep(10);
    }
  }

  const lost = (member: MemberProcess) =>
    member.facts.filter((fact) => fact.kind === 'view' && fact.reason === 'lost').length;

  /**
   * Every shard of every step, and none twice but with a reason that is told: in place of somebody slow, in the
   * first step of a new deal, which a slow member had not seen yet, or since somebody was given up. Who leaves has
   * ended the last step, and its leaves are dealt at once to those who are still in it.
   */
  function assertComputedOnce(members: readonly MemberProcess[], o: { shards: number; steps: number }): void {
    const facts = members.flatMap((member) => member.facts);
    const nameOf = (step: number, shard: number) => `${String(step)}/${String(shard)}`;
    const helped = new Set(
      facts.flatMap((fact) => (fact.kind === 'speculated' ? [nameOf(fact.step, fact.shard)] : [])),
    );
    const views = facts.flatMap((fact) => (fact.kind === 'view' ? [fact] : []));
    const dealt = new Set(
      views.map(({ view, reason }) => String(reason === 'leave' ? o.steps : view.nextFrom)),
    );
    const isAnybodyLost = views.some(({ reason }) => reason === 'lost' || reason === 'hung');
    const computed = members.flatMap((member) =>
      member.steps.flatMap((done) => done.computed.map((shard) => nameOf(done.step, shard))),
    );
    const once = new Set(computed);
    assert.equal(once.size, o.shards * o.steps, 'every shard was computed');
    const again = computed.filter((name) => !once.delete(name) && !helped.has(name));
    const unexplained = again.filter((name) => !isAnybodyLost && !dealt.has(name.split('/')[0] ?? ''));
    assert.deepEqual(unexplained, [], `computed twice; ${JSON.stringify(facts)}`);
  }

  for (const [shards, way] of [
    [1, 'memory'],
    [4, 'the server'],
    [5, 'memory'],
    [8, 'the server'],
  ] as const) {
    it(`gives the same bytes for 1 to 4 members, ${String(shards)} shards, over ${way}`, async () => {
      const reference = await alone({ shards, wanted: 1 });
      for (const count of [2, 3, 4].filter((members) => members <= shards)) {
        const where = await newFolder();
        const members = Array.from({ length: count }, (_, i) =>
          start(`m${String(i)}`, where, { shards, wanted: count, sharedMemory: way === 'memory' }),
        );
        for (const member of members) assert.equal(await member.end, reference);
        assert.equal(members[0]?.steps[0]?.members, count, 'all took part from the first step');
        assertComputedOnce(members, { shards, steps: 30 });
      }
    });
  }

  it('gives the same bytes for any number of members over the bf16 wire', async () => {
    const reference = await alone({ shards: 4, wanted: 1, wire: 'bf16' });
    assert.notEqual(reference, await alone({ shards: 4, wanted: 1 }), 'bf16 does round');
    const where = await newFolder();
    const members = ['a', 'b', 'c'].map((name) => start(name, where, { shards: 4, wanted: 3, wire: 'bf16' }));
    for (const member of members) assert.equal(await member.end, reference);
  });

  it('sends sums through the memory that members share, not over the server', async function () {
    if (nativeSegments() === undefined) {
      if (process.env['CI'] !== undefined) throw new Error('CI needs the addon');
      process.stderr.write('      skipped: the addon is not built\n');
      this.skip();
    }
    const client = await connectRedis(redis.url, { role: 'command', name: 'test' });
    const writes = async () =>
      Number(/cmdstat_set:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    const before = await writes();
    const where = await newFolder();
    const o = { shards: 2, wanted: 2, steps: 60 };
    await Promise.all(['a', 'b'].map((name) => start(name, where, o).end));
    // 16 sums and 8 parts from each member at every step, were it not for the memory.
    assert.ok((await writes()) - before < 60 * 16);
    client.disconnect();
  });

  it('leaves nothing on the server after a finished run', async () => {
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, { shards: 2, wanted: 2 }));
    await Promise.all(members.map((member) => member.end));
    const client = await connectRedis(redis.url, { role: 'command', name: 'test' });
    assert.deepEqual(await client.keys('*'), []);
    client.disconnect();
  });

  for (const [way, sharedMemory] of [
    ['memory', true],
    ['the server', false],
  ] as const) {
    it(`goes on in the same step when a member is killed, without losing any, over ${way}`, async () => {
      const o = { shards: 4, wanted: 3, stepMs: 8, sharedMemory };
      const reference = await alone(o);
      const where = await newFolder();
      const [first, second, victim] = ['a', 'b', 'c'].map((name) => start(name, where, o)) as [
        MemberProcess,
        MemberProcess,
        MemberProcess,
      ];
      await reaches(first, 10);
      victim.child.kill('SIGKILL');
      assert.equal(await first.end, reference);
      assert.equal(await second.end, reference);
      assert.equal(lost(first) + lost(second), 1, 'the loss was seen once');
      assert.deepEqual([first.failures, second.failures], [[], []]);
      assert.deepEqual(
        first.steps.map((step) => step.step),
        Array.from({ length: 30 }, (_, i) => i + 1),
      );
    });
  }

  it('survives the death of the first member, who writes checkpoints', async () => {
    const o = { shards: 4, wanted: 2, stepMs: 8 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[1], 10);
    members[0].child.kill('SIGKILL');
    assert.equal(await members[1].end, reference);
    assert.equal(members[1].steps.at(-1)?.members, 1);
  });

  it('lets a newcomer in with the state of a peer', async () => {
    const o = { shards: 4, wanted: 2, stepMs: 10, gatherMs: 0, steps: 60 };
    const reference = await alone(o);
    const where = await newFolder();
    const first = start('a', where, o);
    await reaches(first, 5);
    const second = start('b', where, o);
    assert.equal(await first.end, reference);
    assert.equal(await second.end, reference);
    assert.ok((second.steps[0]?.step ?? 0) > 1, JSON.stringify([first.facts, second.facts, second.steps[0]]));
    assert.ok(first.steps.some((step) => step.members === 2));
  });

  it('goes on as quickly as before with a member that was killed and is back under its name', async () => {
    const o = { shards: 4, wanted: 2, stepMs: 20, steps: 150 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[1], 5);
    members[0].child.kill('SIGKILL');
    const again = start('a', where, o);
    await reaches(again, 1);
    const startMs = performance.now();
    const from = again.steps[0]?.step ?? 0;
    assert.ok(from > 5 && from < 120, `back at step ${String(from)}`);
    assert.equal(await members[1].end, reference);
    assert.equal(await again.end, reference);
    // Whoever misses something for a second asks for it: no step may have to wait for that.
    const perStepMs = (performance.now() - startMs) / (o.steps - from);
    assert.ok(perStepMs < 500, `${String(perStepMs)} ms for a step`);
  });

  it('starts from the newest checkpoint, not in its old seat, when the only one is back under its name', async () => {
    const o = { shards: 4, wanted: 1, stepMs: 10, gatherMs: 0, steps: 60 };
    const reference = await alone(o);
    const where = await newFolder();
    const first = start('a', where, o);
    await reaches(first, 33);
    first.child.kill('SIGKILL');
    const again = start('a', where, o);
    assert.equal(await again.end, reference);
    assert.ok((again.steps[0]?.step ?? 0) > 30, `from step ${String(again.steps[0]?.step)}`);
  });

  it('starts a new life from the checkpoint when all are killed', async () => {
    const o = { shards: 4, wanted: 2, stepMs: 8 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[0], 13);
    for (const member of members) member.child.kill('SIGKILL');
    const next = ['c', 'd'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    assert.equal(await next[0].end, reference);
    assert.equal(await next[1].end, reference);
    assert.equal(next[0].steps[0]?.step, 11, 'from the checkpoint of step 10');
  });

  it('evicts a sleeper, who takes a new seat when it wakes', async () => {
    const o = { shards: 4, wanted: 2, stepMs: 20, steps: 250 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[1], 5);
    members[0].child.kill('SIGSTOP');
    const before = members[1].steps.length;
    await reaches(members[1], before + 10);
    assert.equal(lost(members[1]), 1, 'its lease ran out');
    members[0].child.kill('SIGCONT');
    assert.equal(await members[1].end, reference);
    assert.equal(await members[0].end, reference);
    assert.deepEqual(members[0].failures, ['MEMBER_EVICTED'], members[0].words.join('; '));
    assert.equal(lost(members[0]), 0, 'it accuses nobody');
  });

  it('takes a member back that slept for less than its lease, but missed steps', async () => {
    // Two parts of the vector, which the first two sum up: the third one is missed only until its shard is taken over.
    const o = { shards: 3, wanted: 3, length: 2, stepMs: 20, steps: 60, leaseMs: 20_000 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b', 'c'].map((name) => start(name, where, o));
    const [first, , sleeper] = members as [MemberProcess, MemberProcess, MemberProcess];
    await reaches(first, 5);
    sleeper.child.kill('SIGSTOP');
    await reaches(first, (first.steps.at(-1)?.step ?? 0) + 4); // half a second each
    sleeper.child.kill('SIGCONT');
    for (const member of members) assert.equal(await member.end, reference);
    assert.deepEqual(members.map(lost), [0, 0, 0], 'its lease held');
    assert.deepEqual(sleeper.failures, ['MEMBER_EVICTED'], 'it took a new seat, once');
    assert.equal(sleeper.steps.at(-1)?.members, 3);
  });

  it('refuses a worker that has something else than the members, and says what', async () => {
    const o = { shards: 4, wanted: 3, stepMs: 20, steps: 40, gatherMs: 300 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[0], 3);
    const other = start('c', where, { ...o, version: '2' });
    for (const member of members) assert.equal(await member.end, reference);
    assert.deepEqual(other.failures, ['WORKER_UNSUITABLE']);
    assert.equal(other.words[0], 'c cannot be a member: its version is 2, that of the members 1.');
    assert.equal(members[0].steps.at(-1)?.members, 2);
  });

  it('lets a worker stand by for which there is no shard, and says so', async () => {
    const o = { shards: 2, wanted: 3, stepMs: 10, steps: 30 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b', 'c'].map((name) => start(name, where, o));
    for (const member of members) assert.equal(await member.end, reference);
    const waiting = members.flatMap(({ facts }) => facts).filter((fact) => fact.kind === 'standsBy');
    assert.deepEqual(waiting, [{ kind: 'standsBy', members: 2, shards: 2 }]);
  });

  describe('with a stranger who writes into its keys', () => {
    const sumKey = (step: number, bucket: number) => `{toy}:o:1:${String(step)}.0:${String(bucket)}`;
    const buckets = Array.from({ length: 16 }, (_, bucket) => bucket);
    let stranger: Awaited<ReturnType<typeof connectRedis>>;
    before(async () => {
      stranger = await connectRedis(redis.url, { role: 'command', name: 'stranger' });
    });
    after(() => {
      stranger.disconnect();
    });

    it('names the keys, and sums up nothing of it', async () => {
      const o = { shards: 2, wanted: 2, stepMs: 150, steps: 9, sharedMemory: false };
      const reference = await alone(o);
      const where = await newFolder();
      const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
      await reaches(members[0], 1);
      for (const bucket of buckets) {
        await stranger.set(sumKey(5, bucket), 'too short');
        await stranger.rpush(sumKey(6, bucket), 'a list');
      }
      await stranger.set('{toy}:view', 'no view at all');
      for (const member of members) assert.equal(await member.end, reference);
      const found = members.flatMap(({ facts }) =>
        facts.flatMap((fact) => (fact.kind === 'strange' ? [`${fact.key} ${fact.found}`] : [])),
      );
      for (const pattern of [
        /^\{toy\}:o:1:5\.0:\d+ 9 bytes instead of \d+$/,
        /^\{toy\}:o:1:6\.0:\d+ WRONGTYPE/,
        /^\{toy\}:view no view at all$/,
      ])
        assert.ok(
          found.some((text) => pattern.test(text)),
          `${String(pattern)} in ${found.join('\n')}`,
        );
    });

    it('names a lease that is none, and goes on with its owner', async () => {
      const o = { shards: 2, wanted: 2, stepMs: 400, steps: 8 }; // long enough for looks at each other
      const reference = await alone(o);
      const where = await newFolder();
      const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
      await reaches(members[0], 2);
      const [lease = ''] = await stranger.keys('{toy}:hb:*');
      await stranger.multi().del(lease).rpush(lease, 'a list').exec();
      await reaches(members[0], 5);
      await stranger.set(lease, 'no lease at all');
      for (const member of members) assert.equal(await member.end, reference);
      const facts = members.flatMap((member) => member.facts);
      const found = facts.flatMap((fact) =>
        fact.kind === 'strange' && fact.key === lease ? [fact.found] : [],
      );
      assert.ok(found.length > 0, JSON.stringify(facts));
      assert.deepEqual(members.map(lost), [0, 0]);
    });

    it('names the key of a sum of other weights', async () => {
      const o = { shards: 2, wanted: 2, stepMs: 150, steps: 9, sharedMemory: false };
      const where = await newFolder();
      const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
      await reaches(members[0], 2);
      for (const bucket of buckets) {
        const old = await stranger.getBuffer(sumKey(2, bucket));
        assert.ok(old !== null);
        await stranger.set(sumKey(5, bucket), old);
      }
      await assert.rejects(Promise.any(members.map((member) => member.end)));
      const words = members.flatMap((member) => member.words);
      assert.ok(
        words.some((text) => /holds other weights .*\(key \{toy\}:o:1:5\.0:\d+\)/.test(text)),
        words.join('\n'),
      );
    });
  });
});
