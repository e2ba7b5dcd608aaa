import { sumAlone } from '@lvnet/exchange';
import type { Segments } from '@lvnet/kernels';
import type { Outcome } from './outcome.js';
import { drawSchedule, type Fault, type Schedule } from './schedule.js';
import { startMember, type Plan, type SimMember } from './sim-member.js';
import { createSimRedis } from './sim-redis.js';
import { createMachines } from './sim-segments.js';
import { createSimStore } from './sim-store.js';
import { toyHash, toyLeaf, toyNext, toyStart } from './toy.js';
import { createProcess, createWorld, type SimProcess } from './world.js';

/** Once the last fault is over, training goes on within this. */
const recoveryMs = 30_000;
/** So long after it, and after whatever it did to the members, nobody waits for what does not come. */
const calmMs = 5_000;

/** What stays where a process starts anew in place of a dead one: its name and its machine. */
interface Place {
  worker: string;
  segments: Segments | undefined;
}

/** Plays the schedule of a seed. */
export const simulate = (seed: number): Promise<Outcome<Schedule>> => play(drawSchedule(seed), false);

export async function play(schedule: Schedule, isTraced: boolean): Promise<Outcome<Schedule>> {
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
  const plan: Plan = { ...schedule, badShards: new Set(schedule.badShards) };
  const expected = undisturbed(plan);

  const partitioned = new Set<SimProcess>();
  const latency = new Map<SimProcess, number>();
  let lossShare = 0;
  const redis = createSimRedis(world, {
    latencyMs: (process) => latency.get(process) ?? world.random.between(0.1, 0.6),
    isPartitioned: (process) => partitioned.has(process),
    losesNotice: () => lossShare > 0 && world.random.chance(lossShare),
  });
  const store = createSimStore(world);
  const seen = new Map<string, string>();
  const onWrite = (key: string, value: Buffer) => {
    if (!/:[po]:/.test(key)) return;
    const text = value.toString('hex');
    const before = seen.get(key);
    if (before !== undefined && before !== text) violate(`two byte strings under ${key}`);
    seen.set(key, text);
  };
  redis.onWrite(onWrite);
  /** What a member asks for after a second in vain is a fault's doing, or the protocol waits where it need not. */
  let troubledMs = 0;
  redis.onPublish((payload) => {
    if (!payload.startsWith('want ')) return;
    facts['asked'] = (facts['asked'] ?? 0) + 1;
    const isAnyHung = alive().some(({ worker }) => hung.has(worker)); // found out after the time of a first leaf
    if (!isAnyHung && world.nowMs() - troubledMs > calmMs)
      violate(`somebody has to ask (${payload}) long after the last fault`);
  });
  const machines = createMachines({
    onWrite,
    onRead: () => {
      facts['read in memory'] = (facts['read in memory'] ?? 0) + 1;
    },
  });

  let members: SimMember[] = [];
  const places = new Map<SimMember, Place>();
  let started = 0;
  let finished = 0;
  const slowness = new Map<SimProcess, number>();
  const poisoned = new Set<SimProcess>();
  const wrong = new Set<SimProcess>();
  const wronged: string[] = [];
  const hanging = new Set<SimProcess>();
  const blamed = new Set<string>();
  const disturbedMs = new Map<string, number>();
  const alive = () => members.filter(({ process }) => process.isAlive());
  const newPlace = (): Place => ({
    worker: `w${String(started++)}-${String(world.random.below(1e9))}`,
    segments: world.random.pick(machines),
  });
  const start = (place = newPlace()) => {
    const [name = ''] = place.worker.split('-');
    const process = createProcess(world, name);
    const member = startMember(world, process, place.worker, {
      plan,
      redis,
      store,
      segments: place.segments,
      device: {
        leafMs: () => {
          if (hanging.delete(process)) return 1e9;
          return schedule.leafMs * world.random.between(0.7, 1.3) * (slowness.get(process) ?? 1);
        },
        isPoisoned: () => poisoned.delete(process),
        isWrong(step, shard, isFirst) {
          if (!wrong.delete(process)) return false;
          tell(() => `${name} computes shard ${String(shard)} of step ${String(step)} wrongly`);
          // What contradicts a member's first result is not used: it need not be noticed, but must do no harm.
          if (isFirst) wronged.push(member.worker);
          return true;
        },
      },
      events: {
        onCommit(_process, life, state, hash) {
          tell(() => `${name} commits ${String(life)}/${String(state.step)} ${hash.slice(0, 6)}`);
          if (hash !== expected[state.step])
            violate(`${name} has other weights after step ${String(state.step)}`);
        },
        onFinished(_process, state) {
          finished++;
          tell(() => `${name} finished`);
          if (toyHash(state) !== expected[plan.steps]) violate(`${name} ends with other weights`);
        },
        onFailure(_process, error) {
          violate(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
        },
        onHung(process) {
          tell(() => `${name} hangs and ends itself`);
          if (!hung.has(member.worker)) violate(`${name} ended itself without need`);
          process.kill();
          world.after(500, () => {
            start();
          });
        },
        onFact(_process, fact) {
          const kind = fact.kind === 'view' ? fact.reason : fact.kind;
          facts[kind] = (facts[kind] ?? 0) + 1;
          if (fact.kind === 'view') {
            troubledMs = Math.max(troubledMs, world.nowMs());
            tell(() => `${name} ${fact.reason}: ${fact.why} -> ${JSON.stringify(fact.view)}`);
            if (fact.reason === 'lost' || fact.reason === 'hung')
              for (const gone of fact.workers) judgeLoss(gone, fact.reason);
            // The run may end before the one to blame hears of it.
            for (const { worker, why } of fact.view.retry?.barred ?? [])
              if (why === 'differs') blamed.add(worker);
          } else tell(() => `${name} ${JSON.stringify(fact)}`);
        },
        onNote(_process, text) {
          if (text.startsWith('stays away')) blamed.add(member.worker);
          tell(() => `${name} ${text}`);
        },
      },
    });
    members = [...members, member];
    places.set(member, place);
    tell(() => `${name} starts as ${member.worker}`);
  };
  /** Only who was killed, stopped, cut off, slowed or had to do with a Redis that went may be given up. */
  const judgeLoss = (worker: string, reason: string) => {
    const member = members.findLast((item) => item.worker === worker);
    const isHealthy = member?.process.isAlive() === true && !member.process.isStopped() && !hung.has(worker);
    const sinceMs = world.nowMs() - (disturbedMs.get(worker) ?? Number.NEGATIVE_INFINITY);
    if (isHealthy && sinceMs > 12_000) violate(`healthy ${worker} was given up: ${reason}`);
  };
  const hung = new Set<string>();
  const disturb = (member: SimMember | undefined) => {
    if (member !== undefined) disturbedMs.set(member.worker, world.nowMs());
  };
  const disturbAll = () => {
    for (const member of members) disturb(member);
  };

  /** A trainer comes back under its worker's name; a worker draws a new one. */
  const startAgain = (member: SimMember | undefined, afterMs: number) => {
    const place = member !== undefined && world.random.chance(0.5) ? places.get(member) : undefined;
    disturb(member); // the dead one may still be given up when its namesake is there
    world.after(afterMs, () => {
      start(place);
    });
  };

  const strike = (fault: Fault) => {
    tell(() => `FAULT ${JSON.stringify(fault)}`);
    const living = alive();
    const member = 'who' in fault && living.length > 0 ? living[fault.who % living.length] : undefined;
    switch (fault.kind) {
      case 'kill':
        member?.process.kill();
        if (fault.backMs !== null) startAgain(member, fault.backMs);
        return;
      case 'kill all':
        for (const { process } of living) process.kill();
        for (let i = 0; i < schedule.workers; i++) startAgain(living[i], fault.backMs + i * 10);
        return;
      case 'stop':
        disturb(member);
        member?.process.stop();
        world.after(fault.forMs, () => {
          disturb(member);
          member?.process.cont();
        });
        return;
      case 'partition':
        if (member === undefined) return;
        disturb(member);
        partitioned.add(member.process);
        world.after(fault.forMs, () => {
          disturb(member);
          partitioned.delete(member.process);
        });
        return;
      case 'slow link':
        if (member === undefined) return;
        disturb(member);
        latency.set(member.process, fault.latencyMs);
        world.after(fault.forMs, () => {
          disturb(member);
          latency.delete(member.process);
        });
        return;
      case 'slow device':
        if (member === undefined) return;
        disturb(member);
        slowness.set(member.process, fault.factor);
        world.after(fault.forMs, () => {
          disturb(member);
          slowness.delete(member.process);
        });
        return;
      case 'redis':
        if (redis.isUp()) redis.crash(fault.downMs, fault.keeps);
        return;
      case 'redis full':
        disturbAll();
        redis.refuse('OOM command not allowed');
        world.after(fault.forMs, () => {
          disturbAll();
          redis.refuse(undefined);
        });
        return;
      case 'notices lost':
        lossShare = fault.share;
        world.after(fault.forMs, () => {
          lossShare = 0;
        });
        return;
      case 'store down':
        store.setDown(true);
        world.after(fault.forMs, () => {
          store.setDown(false);
        });
        return;
      case 'poison':
        if (member !== undefined) poisoned.add(member.process);
        return;
      case 'wrong':
        if (member !== undefined) wrong.add(member.process);
        return;
      case 'hang':
        if (member === undefined) return;
        hung.add(member.worker);
        hanging.add(member.process);
        return;
      case 'join':
        start();
        return;
      case 'leave':
        member?.leave();
        if (alive().length <= 1)
          world.after(1_000, () => {
            start();
          });
        return;
    }
  };

  for (let i = 0; i < schedule.workers; i++)
    world.after(world.random.between(0, 300), () => {
      start();
    });
  for (const fault of schedule.faults) {
    world.after(fault.atMs, () => {
      strike(fault);
    });
  }
  const lastMs = Math.max(0, ...schedule.faults.map(endOf));
  troubledMs = lastMs;
  // Somebody must be there in the end.
  const ensureSomebody = () => {
    if (finished === 0 && alive().length === 0) start();
    world.after(3_000, ensureSomebody);
  };
  world.after(lastMs + 10, ensureSomebody);
  const perStepMs = schedule.leafMs * schedule.shards * 1.5 + 300;
  // Who computed wrongly stays away for ten minutes, and may be the only one.
  const exileMs = schedule.faults.some(({ kind }) => kind === 'poison' || kind === 'wrong') ? 610_000 : 0;
  const limitMs = lastMs + recoveryMs + exileMs + plan.steps * perStepMs;
  const isDone = () => violations.length > 0 || finished > 0;
  const ended = await world.run(limitMs, isDone);
  if (!ended)
    violate(`no end within ${String(Math.round(limitMs))} ms; ${String(store.checkpoints.size)} checkpoints`);
  for (const worker of wronged) {
    facts['found wrong'] = (facts['found wrong'] ?? 0) + 1;
    if (!blamed.has(worker)) violate(`${worker} computed wrongly, and nobody noticed`);
  }
  if (violations.length === 0) {
    for (const { key, expires } of redis.keys()) if (!expires) violate(`${key} stays for ever`);
  }
  return {
    schedule,
    violations,
    virtualMs: world.nowMs(),
    events: world.events(),
    trace,
    facts,
  };
}

function endOf(fault: Fault): number {
  if (fault.kind === 'kill' || fault.kind === 'kill all') return fault.atMs + (fault.backMs ?? 0);
  if (fault.kind === 'redis') return fault.atMs + fault.downMs;
  if (fault.kind === 'hang') return fault.atMs + 20_000;
  return fault.atMs + ('forMs' in fault ? fault.forMs : 0);
}

/** Hashes of the weights after each step where nothing goes wrong. */
function undisturbed(plan: Plan): string[] {
  let state = toyStart();
  const hashes = [toyHash(state)];
  for (let step = 1; step <= plan.steps; step++) {
    const leaves = Array.from({ length: plan.shards }, (_, shard) => {
      const out = new Float32Array(3);
      toyLeaf(state, shard, plan.badShards.has(`${String(step)}:${String(shard)}`), out);
      return out;
    });
    state = toyNext(state, sumAlone(leaves, { wire: plan.wire, roundedLength: 2 }));
    hashes.push(toyHash(state));
  }
  return hashes;
}
