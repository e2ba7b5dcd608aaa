import assert from 'node:assert/strict';
import { sleep } from '@lvnet/core';
import { nativeSegments } from '@lvnet/kernels';
import { connectRedis } from '@lvnet/redis';
import { lost, memberProcesses, type MemberProcess } from './member-processes.fixture.js';

describe('exchange with real processes', function () {
  this.timeout(60_000);
  const { redis, newFolder, start, alone, reaches } = memberProcesses();

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
    const client = await connectRedis(redis().url, { role: 'command', name: 'test' });
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
    const client = await connectRedis(redis().url, { role: 'command', name: 'test' });
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

  it('refuses a worker that has something else than the members, and says what', async () => {
    // Six seconds: the third process needs some to load where others use the machine.
    const o = { shards: 4, wanted: 3, stepMs: 20, steps: 150, gatherMs: 300 };
    const reference = await alone(o);
    const where = await newFolder();
    const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
    await reaches(members[0], 3);
    const other = start('c', where, { ...o, version: '2' });
    for (const member of members) assert.equal(await member.end, reference);
    assert.deepEqual(other.failures, ['WORKER_UNSUITABLE']);
    assert.equal(other.words[0], 'c cannot be a member: its version is 2, that of the members 1.');
    // Not the last step: the other one may be through with it, and have left.
    assert.equal(members[0].steps.at(-2)?.members, 2);
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
      stranger = await connectRedis(redis().url, { role: 'command', name: 'stranger' });
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

    for (const [what, found] of [
      ['text', /^abc$/],
      ['a list', /^WRONGTYPE/],
    ] as const) {
      it(`names a head that is ${what}, and goes on`, async () => {
        const o = { shards: 2, wanted: 2, stepMs: 100, steps: 9 };
        const reference = await alone(o);
        const where = await newFolder();
        const members = ['a', 'b'].map((name) => start(name, where, o)) as [MemberProcess, MemberProcess];
        await reaches(members[0], 3);
        const head = '{toy}:head:1';
        if (what === 'text') await stranger.set(head, 'abc');
        else await stranger.multi().del(head).rpush(head, 'a list').exec();
        await reaches(members[0], 6);
        assert.match((await stranger.get(head)) ?? '', /^[5-9]$/);
        for (const member of members) assert.equal(await member.end, reference);
        const told = members.flatMap(({ facts }) =>
          facts.flatMap((fact) => (fact.kind === 'strange' && fact.key === head ? [fact.found] : [])),
        );
        assert.ok(told.length > 0 && told.every((text) => found.test(text)), told.join('\n'));
        assert.deepEqual(members.map(lost), [0, 0]);
      });
    }

    it('tells of an error that the server answers with again and again', async () => {
      const o = { shards: 2, wanted: 1, steps: 5 };
      const reference = await alone(o);
      await stranger.rpush('{toy}:view', 'a list');
      const member = start('a', await newFolder(), o);
      const told = () => member.facts.flatMap((fact) => (fact.kind === 'serverError' ? [fact.message] : []));
      const endMs = performance.now() + 10_000;
      while (told().length === 0 && performance.now() < endMs) await sleep(10);
      await sleep(500); // some twenty more such answers
      assert.equal(told().length, 1, 'once in a while');
      assert.match(told()[0] ?? '', /WRONGTYPE/);
      await stranger.del('{toy}:view');
      assert.equal(await member.end, reference);
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
