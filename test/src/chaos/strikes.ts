import { sleep } from '@lvnet/core';
import type { Random } from '../simulation/world.js';
import type { TestCluster, TestProcess } from '../support/cluster.js';
import { childrenOf } from '../support/processes.js';

const strikeKinds = [
  'worker killed',
  'trainer killed',
  'trainer stopped for a while',
  'worker asked to go',
  'coordinator killed',
  'tensor Redis killed, back empty',
  'tensor Redis killed, back with its file',
  'control Redis killed, back with its file',
  'all workers killed',
] as const;

export type StrikeKind = (typeof strikeKinds)[number];

export interface Strikes {
  kinds: readonly StrikeKind[];
  /** Strikes, and starts again what does not start by itself. */
  strike(kind: StrikeKind): Promise<void>;
}

/** Starts a coordinator and workers, and keeps that many of them whatever is done to them. */
export async function createStrikes(cluster: TestCluster, count: number, random: Random): Promise<Strikes> {
  let coordinator = await cluster.startCoordinator();
  const names = Array.from({ length: count }, (_, i) => `w${String(i + 1)}`);
  const workers = await Promise.all(names.map((name) => cluster.startWorker(name)));
  const restart = async (i: number, end: (worker: TestProcess) => Promise<unknown>) => {
    await end(workers[i] as TestProcess);
    workers[i] = await cluster.startWorker(names[i] ?? '');
  };
  const signalChild = (signal: NodeJS.Signals, i: number) => {
    const [child] = childrenOf(workers[i]?.pid ?? 0);
    if (child !== undefined) process.kill(child, signal);
  };
  return {
    kinds: strikeKinds,
    async strike(kind) {
      const victim = random.below(count);
      switch (kind) {
        case 'worker killed':
          return restart(victim, (worker) => worker.kill());
        case 'worker asked to go':
          return restart(victim, (worker) => worker.stop());
        case 'all workers killed':
          await Promise.all(names.map((_, i) => restart(i, (worker) => worker.kill())));
          return;
        case 'trainer killed':
          signalChild('SIGKILL', victim);
          return;
        case 'trainer stopped for a while':
          signalChild('SIGSTOP', victim);
          await sleep(random.between(200, 6_000));
          signalChild('SIGCONT', victim);
          return;
        case 'coordinator killed':
          await coordinator.kill();
          coordinator = await cluster.startCoordinator();
          return;
        case 'tensor Redis killed, back empty':
          await cluster.crashRedis('tensors', { downMs: random.between(50, 1_500), keeps: false });
          return;
        case 'tensor Redis killed, back with its file':
          await cluster.crashRedis('tensors', { downMs: random.between(50, 1_500), keeps: true });
          return;
        case 'control Redis killed, back with its file':
          await cluster.crashRedis('control', { downMs: random.between(50, 1_500), keeps: true });
          return;
      }
    },
  };
}
