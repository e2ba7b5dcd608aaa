import type { RunStatus } from '@lvnet/coordinator';
import type { Registry } from '@lvnet/queue';

/** What happened when the demo killed a worker. */
export interface Killing {
  worker: string;
  pid: number;
  /** Last committed step at the time. */
  atStep: number;
  atMs: number;
  /** Seconds until the next step was committed. */
  recoveredSeconds: number | null;
}

/** Kills one member of the run with SIGKILL, once, when enough steps are done; then times the recovery. */
export interface Killer {
  look(status: RunStatus): Promise<void>;
  killing(): Killing | null;
}

export function createKiller(registry: Registry, ownPids: () => number[], share: number): Killer {
  let killing: Killing | null = null;
  const choose = async (status: RunStatus) => {
    const members = new Set(status.members.map((member) => member.worker));
    const workers = await registry.workers();
    return workers.find((worker) => members.has(worker.worker) && ownPids().includes(worker.pid));
  };
  return {
    async look(status) {
      if (killing !== null) {
        const recovered = killing.recoveredSeconds === null && status.step > killing.atStep;
        if (recovered) killing.recoveredSeconds = (performance.now() - killing.atMs) / 1000;
        return;
      }
      if (status.state !== 'running' || status.stepsTotal === null) return;
      if (status.step < share * status.stepsTotal || status.members.length < 2) return;
      const victim = await choose(status);
      if (victim === undefined) return;
      process.kill(victim.pid, 'SIGKILL');
      killing = {
        worker: victim.worker,
        pid: victim.pid,
        atStep: status.step,
        atMs: performance.now(),
        recoveredSeconds: null,
      };
    },
    killing: () => killing,
  };
}
