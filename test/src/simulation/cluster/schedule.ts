import { createRandom, type Random } from '../world.js';
import type { Kept } from './control-server.js';

/** One thing that happens to the cluster. `who` counts those that live then; a leader is whoever leads then. */
export type ClusterFault = { atMs: number } & (
  | { kind: 'kill coordinator'; who: number; backMs: number }
  | { kind: 'quit coordinator'; who: number; backMs: number }
  | { kind: 'stop coordinator'; who: number | 'leader'; forMs: number }
  | { kind: 'slow coordinator link'; who: number | 'leader'; forMs: number; latencyMs: number }
  | { kind: 'cut coordinator off'; who: number | 'leader'; forMs: number }
  | { kind: 'kill worker'; who: number; backMs: number }
  | { kind: 'stop worker'; who: number; forMs: number }
  | { kind: 'cut worker off'; who: number; forMs: number }
  | { kind: 'trainer dies'; who: number }
  | { kind: 'worker leaves'; who: number; backMs: number }
  | { kind: 'redis'; downMs: number; keeps: Kept }
  | { kind: 'store down'; forMs: number }
  | { kind: 'store fails'; forMs: number; share: number }
  | { kind: 'store slow'; forMs: number; latencyMs: number }
  | { kind: 'job lost'; which: number }
  | { kind: 'job doubled'; which: number }
  | { kind: 'kill all'; backMs: number }
);

/** What a person asks for; a pause is followed by a resume. */
export type Wish = { atMs: number; run: number } & ({ kind: 'cancel' } | { kind: 'pause'; forMs: number });

export interface RunPlan {
  submitMs: number;
  epochs: number;
  patience: number | null;
  workersMax: number;
  validation: number;
  test: number;
  priority: number;
}

export interface ClusterSchedule {
  seed: number;
  coordinators: number;
  /** How far each coordinator's clock is off. */
  skewMs: readonly number[];
  workers: number;
  stepMs: number;
  runs: readonly RunPlan[];
  /** Trials and how many of them at once; null for no sweep. */
  sweep: { trials: number; parallel: number; submitMs: number } | null;
  wishes: readonly Wish[];
  faults: readonly ClusterFault[];
}

/** Everything about a schedule follows from its seed. */
export function drawClusterSchedule(seed: number): ClusterSchedule {
  const random = createRandom(seed * 6007 + 29);
  const coordinators = 1 + random.below(3);
  const sweep = random.chance(0.3)
    ? { trials: 2 + random.below(2), parallel: 1 + random.below(2), submitMs: random.between(0, 2_000) }
    : null;
  const runs = Array.from({ length: (sweep === null ? 1 : 0) + random.below(3) }, () => drawRun(random));
  const lengthMs = 6_000 + 3_000 * runs.length;
  const wishes = runs.flatMap((_, run) => drawWishes(random, run, lengthMs));
  const faults = Array.from({ length: random.below(6) }, () => drawFault(random, lengthMs));
  // Faults like to strike when somebody asks for something.
  for (const [i, fault] of faults.entries()) {
    const wish = wishes[i];
    if (wish !== undefined && random.chance(0.6)) fault.atMs = wish.atMs + random.between(-400, 800);
  }
  return {
    ...{ seed, coordinators, runs, sweep },
    skewMs: Array.from({ length: 8 }, () => (random.chance(0.2) ? random.pick([-600_000, 600_000]) : 0)),
    workers: 1 + random.below(4),
    stepMs: random.pick([100, 300, 700, 3_000]),
    wishes: wishes.sort((a, b) => a.atMs - b.atMs),
    faults: faults.sort((a, b) => a.atMs - b.atMs),
  };
}

function drawRun(random: Random): RunPlan {
  const validation = random.below(3);
  return {
    submitMs: random.between(0, 4_000),
    epochs: 1 + random.below(3),
    patience: validation > 0 && random.chance(0.5) ? 1 : null,
    workersMax: 1 + random.below(3),
    validation,
    test: random.below(2),
    priority: random.below(2),
  };
}

function drawWishes(random: Random, run: number, lengthMs: number): Wish[] {
  const atMs = random.between(0, lengthMs);
  if (random.chance(0.25)) return [{ atMs, run, kind: 'cancel' }];
  if (random.chance(0.25)) return [{ atMs, run, kind: 'pause', forMs: random.pick([500, 4_000, 16_000]) }];
  return [];
}

function drawFault(random: Random, lengthMs: number): ClusterFault {
  const atMs = random.between(50, lengthMs);
  const who = random.below(8);
  const forMs = random.pick([300, 2_000, 4_500, 9_000]);
  const backMs = random.pick([100, 1_500, 6_000]);
  const leader = random.chance(0.7) ? 'leader' : who;
  const kinds: (() => ClusterFault)[] = [
    () => ({ atMs, kind: 'kill coordinator', who, backMs }),
    () => ({ atMs, kind: 'kill coordinator', who, backMs }),
    () => ({ atMs, kind: 'quit coordinator', who, backMs }),
    () => ({ atMs, kind: 'stop coordinator', who: leader, forMs }),
    () => ({ atMs, kind: 'stop coordinator', who: leader, forMs }),
    () => ({ atMs, kind: 'cut coordinator off', who: leader, forMs }),
    () => ({
      ...{ atMs, kind: 'slow coordinator link', who: leader, forMs },
      latencyMs: random.pick([1_500, 4_000]),
    }),
    () => ({ atMs, kind: 'kill worker', who, backMs }),
    () => ({ atMs, kind: 'stop worker', who, forMs }),
    () => ({ atMs, kind: 'cut worker off', who, forMs }),
    () => ({ atMs, kind: 'trainer dies', who }),
    () => ({ atMs, kind: 'worker leaves', who, backMs }),
    () => drawRedisFault(random, atMs),
    () => drawRedisFault(random, atMs),
    () => ({ atMs, kind: 'store down', forMs }),
    () => ({ atMs, kind: 'store fails', forMs, share: random.pick([0.05, 0.4]) }),
    () => ({ atMs, kind: 'store slow', forMs, latencyMs: random.pick([100, 400, 1_500]) }),
    () => ({ atMs, kind: 'job lost', which: who }),
    () => ({ atMs, kind: 'job doubled', which: who }),
    () => ({ atMs, kind: 'kill all', backMs }),
  ];
  return random.pick(kinds)();
}

const drawRedisFault = (random: Random, atMs: number): ClusterFault => ({
  ...{ atMs, kind: 'redis' },
  downMs: random.pick([50, 500, 3_000]),
  keeps: random.pick(['nothing', 'everything', 'a second old']),
});

/** When a fault is over. */
export function endOfFault(fault: ClusterFault): number {
  if ('backMs' in fault) return fault.atMs + fault.backMs;
  if ('forMs' in fault) return fault.atMs + fault.forMs;
  return fault.atMs + (fault.kind === 'redis' ? fault.downMs : 0);
}
