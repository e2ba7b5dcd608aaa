import assert from 'node:assert/strict';
import { lost, memberProcesses, type MemberProcess } from './member-processes.fixture.js';

describe('members that come, and come back, with real processes', function () {
  this.timeout(60_000);
  const { newFolder, start, alone, reaches } = memberProcesses();

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
});
