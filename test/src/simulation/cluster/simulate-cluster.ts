import { registryOver } from '@lvnet/queue/testing';
import { createProcess, createWorld, type SimProcess } from '../world.js';
import type { Outcome } from '../outcome.js';
import { controlRedisOver, openConnection } from './control-client.js';
import { createControlServer } from './control-server.js';
import { createJudge } from './judge.js';
import { startPerson } from './person.js';
import { drawClusterSchedule, endOfFault, type ClusterFault, type ClusterSchedule } from './schedule.js';
import { startCoordinator, type SimCoordinator } from './sim-coordinator.js';
import { startWorker, type SimWorker } from './sim-worker.js';
import { storeOf } from './slow-store.js';
import { createTrainings } from './toy-training.js';
import { watchedStore } from './watched-store.js';

const fingerprint = 'f'.repeat(64);
/** Once the last fault and the last wish are over, everything comes to its end within this, and per run. */
const recoveryMs = 60_000;
const perRunMs = 40_000;
/** What is no more wanted is gone within this. */
const cleanUpMs = 8_000;

/** Plays the schedule of a seed. */
export const simulateCluster = (seed: number): Promise<Outcome<ClusterSchedule>> =>
  playCluster(drawClusterSchedule(seed), false);

export async function playCluster(
  schedule: ClusterSchedule,
  isTraced: boolean,
): Promise<Outcome<ClusterSchedule>> {
  const world = createWorld(schedule.seed);
  const trace: string[] = [];
  const violations: string[] = [];
  const facts: Record<string, number> = {};
  const tell = (text: () => string) => {
    if (isTraced) trace.push(`${world.nowMs().toFixed(1).padStart(9)} ${text()}`);
  };
  const violate = (text: string) => {
    violations.push(`${world.nowMs().toFixed(1)} ms: ${text}`);
    tell(() => `VIOLATION ${text}`);
  };
  const count = (fact: string) => {
    facts[fact] = (facts[fact] ?? 0) + 1;
  };

  const lastMs = Math.max(0, ...schedule.faults.map(endOfFault));
  const judge = createJudge(world, () => store, { violate, tell, quietSinceMs: () => lastMs + 3_000 });
  const store = watchedStore((writing) => {
    judge.onWrite(writing);
  });
  const server = createControlServer(world, (event, sender) => {
    if (event.kind === 'entry' && !event.accepted) count('refused');
    if (event.kind === 'leads' && event.isNew) count('leads');
    judge.onControl(event, sender);
  });
  const cutOff = new Set<SimProcess>();
  const slowness = new Map<SimProcess, number>();
  const weather = {
    isPartitioned: (process: SimProcess) => cutOff.has(process),
    latencyMs: (process: SimProcess) => slowness.get(process) ?? 0.8,
  };
  const storeWeather = { isDown: false, failShare: 0, latencyMs: 4 };
  const open = (process: SimProcess) =>
    storeOf(world, process, store, {
      latencyMs: () => storeWeather.latencyMs * world.random.between(0.5, 2),
      fails: () => {
        const fails = storeWeather.isDown || world.random.chance(storeWeather.failShare);
        if (!fails) return 'no';
        return !storeWeather.isDown && world.random.chance(0.5) ? 'after' : 'before';
      },
    });

  let coordinators: SimCoordinator[] = [];
  let workers: SimWorker[] = [];
  const trainings = createTrainings(world);
  let startedCount = 0;
  const startOne = () => {
    const index = startedCount++;
    const identity = `c${String(index)}`;
    const process = createProcess(world, identity);
    tell(() => `${identity} starts`);
    const connect = (o?: { failsAtOnce: boolean }) => openConnection(world, process, server, weather, o);
    const skewMs = schedule.skewMs[index % schedule.skewMs.length] ?? 0;
    const coordinator = startCoordinator({
      ...{ process, identity, skewMs, server, connect, store: open(process) },
      tell: (text) => {
        tell(() => `${identity} ${text()}`);
      },
    });
    coordinators = [...coordinators.filter(({ process: other }) => other.isAlive()), coordinator];
  };
  const hire = () => {
    const worker = `w${String(startedCount++)}`;
    const process = createProcess(world, worker);
    tell(() => `${worker} starts`);
    const connect = () => openConnection(world, process, server, weather);
    const hired = startWorker({
      ...{ process, worker, fingerprint, server, connect, trainings, stepMs: schedule.stepMs },
      store: open(process),
      events: {
        onStep: (run, by) => {
          count('step');
          judge.onStep(run, by);
        },
      },
      onJob: (job, what) => {
        tell(() => `${worker} ${job} ${what}`);
        if (what === 'begun') count(job.slice(0, job.indexOf('-')));
      },
    });
    workers = [...workers.filter(({ process: other }) => other.isAlive()), hired];
  };

  const strike = (fault: ClusterFault) => {
    tell(() => `FAULT ${JSON.stringify(fault)}`);
    count(fault.kind);
    const lead = coordinators.filter(({ process }) => process.isAlive());
    const crew = workers.filter(({ process }) => process.isAlive());
    const coordinator = (who: number | 'leader') =>
      (who === 'leader' ? lead.find((item) => item.leads()) : undefined) ??
      lead[(who === 'leader' ? 0 : who) % Math.max(1, lead.length)];
    const worker = (who: number) => crew[who % Math.max(1, crew.length)];
    const back = (backMs: number, start: () => void) => {
      world.after(backMs, start);
    };
    const hold = (process: SimProcess | undefined, forMs: number) => {
      process?.stop();
      world.after(forMs, () => process?.cont());
    };
    const cut = (process: SimProcess | undefined, forMs: number) => {
      if (process === undefined) return;
      cutOff.add(process);
      world.after(forMs, () => cutOff.delete(process));
    };
    const anyJob = (which: number, among: (job: { isHeld: boolean }) => boolean) => {
      const jobs = server.queues.all().filter(among);
      return jobs[which % Math.max(1, jobs.length)]?.id ?? '';
    };
    switch (fault.kind) {
      case 'kill coordinator':
      case 'quit coordinator':
        if (fault.kind === 'kill coordinator') coordinator(fault.who)?.process.kill();
        else coordinator(fault.who)?.quit();
        back(fault.backMs, startOne);
        return;
      case 'stop coordinator':
        hold(coordinator(fault.who)?.process, fault.forMs);
        return;
      case 'slow coordinator link': {
        const process = coordinator(fault.who)?.process;
        if (process === undefined) return;
        slowness.set(process, fault.latencyMs);
        world.after(fault.forMs, () => slowness.delete(process));
        return;
      }
      case 'cut coordinator off':
        cut(coordinator(fault.who)?.process, fault.forMs);
        return;
      case 'kill worker':
        worker(fault.who)?.process.kill();
        back(fault.backMs, hire);
        return;
      case 'worker leaves':
        worker(fault.who)?.leave();
        back(fault.backMs, hire);
        return;
      case 'stop worker':
        hold(worker(fault.who)?.process, fault.forMs);
        return;
      case 'cut worker off':
        cut(worker(fault.who)?.process, fault.forMs);
        return;
      case 'trainer dies':
        worker(fault.who)?.loseTrainer();
        return;
      case 'redis':
        if (!server.isUp()) return;
        server.crash(fault.downMs, fault.keeps);
        if (fault.keeps !== 'everything') judge.onRestart();
        return;
      case 'store down':
        storeWeather.isDown = true;
        world.after(fault.forMs, () => (storeWeather.isDown = false));
        return;
      case 'store fails':
        storeWeather.failShare = fault.share;
        world.after(fault.forMs, () => (storeWeather.failShare = 0));
        return;
      case 'store slow':
        storeWeather.latencyMs = fault.latencyMs;
        world.after(fault.forMs, () => (storeWeather.latencyMs = 4));
        return;
      case 'job lost':
        server.queues.lose(anyJob(fault.which, () => true));
        return;
      case 'job doubled':
        server.queues.double(anyJob(fault.which, ({ isHeld }) => isHeld));
        return;
      case 'kill all':
        for (const { process } of [...lead, ...crew]) process.kill();
        for (let i = 0; i < lead.length; i++) back(fault.backMs + 20 * i, startOne);
        for (let i = 0; i < crew.length; i++) back(fault.backMs + 20 * i + 10, hire);
        return;
    }
  };

  for (let i = 0; i < schedule.coordinators; i++) world.after(world.random.between(0, 500), startOne);
  for (let i = 0; i < schedule.workers; i++) world.after(world.random.between(0, 500), hire);
  for (const fault of schedule.faults) {
    world.after(fault.atMs, () => {
      strike(fault);
    });
  }
  const person = createProcess(world, 'person');
  const connection = openConnection(world, person, server, weather);
  let submittedCount = 0;
  startPerson(schedule, {
    ...{ process: person, store: open(person), engine: { kind: 'native', fingerprint } },
    registry: registryOver(controlRedisOver(connection, server, 'person')),
    onSubmitted: (run, plan, created) => {
      submittedCount++;
      tell(() => `submitted ${run} ${JSON.stringify(plan)}`);
      judge.onSubmitted(run, plan, created);
    },
    onAsked: (run, kind) => {
      tell(() => `asked to ${kind} ${run}`);
      count(`asked to ${kind}`);
      judge.onAsked(run, kind);
    },
  });

  const runCount = schedule.runs.length + (schedule.sweep?.trials ?? 0);
  const wishedMs = Math.max(
    0,
    ...schedule.wishes.map((wish) => wish.atMs + ('forMs' in wish ? wish.forMs : 0)),
  );
  const limitMs = Math.max(lastMs, wishedMs) + recoveryMs + perRunMs * runCount;
  const isOver = () =>
    submittedCount === runCount &&
    judge.overCount() === runCount &&
    (schedule.sweep === null || judge.isSweepReported());
  const ended = await world.run(limitMs, () => violations.length > 0 || isOver());
  if (!ended) violate(`no end within ${String(Math.round(limitMs))} ms: ${judge.summary()}`);
  const virtualMs = world.nowMs();
  const isGood = () => violations.length === 0;
  if (isGood()) {
    const restMs = Math.max(virtualMs, lastMs) + cleanUpMs;
    await world.run(restMs, () => !isGood());
    const alive = workers.filter(({ process }) => process.isAlive()).map(({ worker }) => worker);
    if (isGood()) await judge.atEnd(server, alive);
  }
  return { schedule, violations, virtualMs, events: world.events(), trace, facts };
}
