import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Experiment, RunSplit } from '@lvnet/experiments';
import { connectRedis } from '@lvnet/redis';
import { startTestCluster, type TestCluster, type TestProcess } from '../support/cluster.js';
import { realCt, temporaryFolder, untilEnd } from '../support/data.js';
import { splitOfOne, tinyExperiment } from '../support/experiments.js';
import { childrenOf } from '../support/processes.js';
import { gapsMs, median, recovery, watchSteps, type StepTimes } from '../support/step-times.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { weightsAtEnd, wordsOf } from '../support/outcome.js';

const limitMs = 90_000;
const shardMs = 30;

/** One cluster of real processes; each fault strikes a run of its own, in the middle of it. */
describe('a fault in the middle of a run leaves the same weights, and a reason', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const keep = untilEnd();
  let experiment: Experiment;
  let split: RunSplit;
  let cluster: TestCluster;
  let workers: TestProcess[];
  let undisturbed: string;

  before(async function () {
    const root = realCt(this, 'lits-real/tiny');
    experiment = tinyExperiment(root, {
      ...{ epochs: 60, everySteps: 10, batch: 4, shards: 4, workers: 3, patch: [16, 16, 16] },
    });
    split = await splitOfOne(root);
    cluster = keep(await startTestCluster(join(folder.path(), 'cluster'), { shardMs }));
    await cluster.startCoordinator();
    workers = [await cluster.startWorker('w1'), await cluster.startWorker('w2')];
    const run = await cluster.submit(experiment, split);
    undisturbed = await weightsAtEnd(cluster, run, limitMs);
  });

  /** A run that has two members and has done some steps. */
  async function begin(members = 2): Promise<string> {
    const run = await cluster.submit(experiment, split, { again: true });
    await cluster.until(run, 'training', limitMs, (s) => s.members.length === members && s.step >= 4);
    return run;
  }
  /** The run ends with the same weights, and its status says why something changed. */
  async function judge(run: string, reason: RegExp): Promise<void> {
    assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    await cluster.until(run, `a note like ${String(reason)}`, 10_000, (s) => reason.test(wordsOf(s)));
  }
  /**
   * Training went on within this after a strike, beside what the members that are left take for all shards. What
   * others took of the processors meanwhile is no part of it.
   */
  function judgeRecovery(times: StepTimes, strikeMs: number, limitMs: number): void {
    const commits = times.commits();
    const { ms, endMs } = recovery(commits, strikeMs);
    const allShardsMs = median(gapsMs(commits, endMs).slice(0, 10));
    const heldUpMs = times.heldUpMs(strikeMs, endMs);
    const figures = { ms, allShardsMs, limitMs, heldUpMs };
    assert.ok(ms <= allShardsMs + limitMs + heldUpMs, JSON.stringify(figures));
  }
  const childOf = (worker: TestProcess | undefined): number => {
    const [child] = childrenOf(worker?.pid ?? 0);
    assert.ok(child !== undefined, 'the worker has a trainer child');
    return child;
  };

  for (const signal of ['SIGSEGV', 'SIGABRT', 'SIGKILL'] as const) {
    it(`a trainer child that ends by ${signal}`, async () => {
      const run = await begin();
      await using times = watchSteps(cluster.registry, run);
      const strikeMs = Date.now();
      process.kill(childOf(workers[0]), signal);
      // Whichever is first: the others miss it, or it is back and gives its own seat back.
      await judge(run, /w1.*(its connection ended|came back as a new process)/);
      judgeRecovery(times, strikeMs, 1_000);
      // Back under its name it must not be taken for the dead one: then each step would wait for a second.
      const laterMs = median(gapsMs(times.commits(), strikeMs).slice(-30));
      assert.ok(laterMs < 600, `${String(laterMs)} ms for a later step`);
      assert.ok(laterMs >= 2 * shardMs, `two shards in ${String(laterMs)} ms: the workers are not slow`);
      assert.match(workers[0]?.stderr() ?? '', /fault slow at step \d+ of w1/);
      await until(() => workers[0]?.stderr().includes(signal) === true);
    });
  }

  it('a trainer child that is stopped for a while: it takes a new seat and accuses nobody', async () => {
    const run = await begin();
    await using times = watchSteps(cluster.registry, run);
    const child = childOf(workers[1]);
    const strikeMs = Date.now();
    process.kill(child, 'SIGSTOP');
    try {
      await cluster.until(run, 'it is given up', 30_000, (s) => /w2.*its lease ran out/.test(wordsOf(s)));
    } finally {
      process.kill(child, 'SIGCONT');
    }
    await judge(run, /w2.*its lease ran out/);
    judgeRecovery(times, strikeMs, 3_000);
    const status = await cluster.until(run, 'end', 5_000, () => true);
    assert.doesNotMatch(wordsOf(status), /w1-\S+: its (lease ran out|connection ended)/);
  });

  it('a worker that comes back under the same name', async () => {
    const run = await begin();
    await workers[1]?.kill();
    workers[1] = await cluster.startWorker('w2');
    await judge(run, /w2.*its connection ended/);
  });

  it('a worker that computes wrongly in the step of a check: the others do its part again', async () => {
    await workers[1]?.stop();
    const fault = [{ worker: 'w2', step: 50, kind: 'wrong' }];
    workers[1] = await cluster.startWorker('w2', { LVNET_FAULTS: JSON.stringify(fault) });
    const run = await begin();
    await judge(run, /step 50: a check of shard 1 found that w2-\S+ contradicts itself/);
    await cluster.until(run, 'it stays away', 5_000, (s) => /w2-\S+ stays away for 10/.test(wordsOf(s)));
    assert.match(workers[1].stderr(), /fault wrong at step 50 of w2/, 'the fault struck');
    await workers[1].kill();
    workers[1] = await cluster.startWorker('w2');
  });

  it('a worker asked to go: it leaves after its step, and one started by hand takes part', async () => {
    const run = await begin();
    assert.equal(await workers[1]?.stop('SIGTERM'), 0);
    await cluster.until(run, 'it left', 10_000, (s) => /w2-\S* left/.test(wordsOf(s)));
    workers[1] = await cluster.startWorker('w2');
    await judge(run, /w2-\S* left/);
  });

  for (const keeps of [false, true]) {
    it(`the tensor Redis killed and back ${keeps ? 'with its file' : 'empty'}`, async () => {
      const run = await begin();
      await using times = watchSteps(cluster.registry, run);
      const strikeMs = await cluster.crashRedis('tensors', { downMs: 500, keeps });
      await judge(run, /has the tensor Redis again/);
      judgeRecovery(times, strikeMs, 1_500);
      const status = await cluster.until(run, 'end', 5_000, () => true);
      assert.doesNotMatch(wordsOf(status), /lease ran out|connection ended/, 'nobody was given up for it');
    });

    it(`the control Redis killed and back ${keeps ? 'with its file' : 'empty'}`, async () => {
      const run = await begin();
      await cluster.crashRedis('control', { downMs: 500, keeps });
      assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    });
  }

  it('a tensor Redis without memory', async () => {
    const run = await begin();
    const redis = await connectRedis(cluster.tensors.url, { role: 'command', name: 'lvnet-test' });
    try {
      await redis.config('SET', 'maxmemory', '1');
      await cluster.until(run, 'it is told', 15_000, (s) => /refuses to write.*OOM/.test(wordsOf(s)));
      await redis.config('SET', 'maxmemory', '0');
    } finally {
      redis.disconnect();
    }
    await judge(run, /refuses to write.*OOM/);
  });

  describe('with a worker behind a network that fails', () => {
    it('cut off: it is given up, and comes back', async () => {
      await using proxy = await startTcpProxy(cluster.tensors.port);
      const url = `redis://127.0.0.1:${String(proxy.port)}`;
      const remote = await cluster.startWorker('w3', { LVNET_TENSOR_REDIS_URL: url });
      const run = await begin(3);
      proxy.cut();
      await cluster.until(run, 'it is given up', 30_000, (s) => /w3.*its lease ran out/.test(wordsOf(s)));
      proxy.mend();
      await judge(run, /w3.*its lease ran out/);
      assert.ok(proxy.bytes() > 0);
      await remote.stop();
    });

    it('slow: it stays a member', async () => {
      await using proxy = await startTcpProxy(cluster.tensors.port);
      const url = `redis://127.0.0.1:${String(proxy.port)}`;
      const remote = await cluster.startWorker('w3', { LVNET_TENSOR_REDIS_URL: url });
      const run = await begin(3);
      const { step } = await cluster.until(run, 'now', 5_000, () => true);
      const before = proxy.bytes();
      proxy.delay(40);
      await cluster.until(run, 'it goes on', limitMs, (s) => s.step >= step + 10);
      assert.ok(proxy.bytes() > before, 'it computed for the others over the slow link');
      proxy.delay(0);
      assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
      const status = await cluster.until(run, 'end', 5_000, () => true);
      assert.doesNotMatch(wordsOf(status), /lease ran out|connection ended/);
      await remote.stop();
    });
  });

  it('a worker whose clock is ten minutes ahead', async () => {
    const ahead = 'data:text/javascript,globalThis.before=Date.now;Date.now=()=>before()+600000'.replace(
      ' ',
      '%20',
    );
    const remote = await cluster.startWorker('w3', { NODE_OPTIONS: `--import ${ahead}` });
    const run = await begin(3);
    const [time = ''] = /(?<="time":")[^"]+/.exec(remote.stderr()) ?? [];
    assert.ok(Date.parse(time) > Date.now() + 8 * 60_000, `its clock is ahead: ${time}`);
    assert.equal(await weightsAtEnd(cluster, run, limitMs), undisturbed);
    const status = await cluster.until(run, 'end', 5_000, () => true);
    assert.doesNotMatch(wordsOf(status), /lease ran out|connection ended/);
    await remote.stop();
  });
});
