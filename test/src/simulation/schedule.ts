import { createRandom, type Random } from './world.js';

/** One thing that happens to the cluster at a time. `who` counts the workers that live then. */
export type Fault = { atMs: number } & (
  | { kind: 'kill'; who: number; backMs: number | null }
  | { kind: 'stop'; who: number; forMs: number }
  | { kind: 'partition'; who: number; forMs: number }
  | { kind: 'slow link'; who: number; forMs: number; latencyMs: number }
  | { kind: 'slow device'; who: number; forMs: number; factor: number }
  | { kind: 'redis'; downMs: number; keeps: 'nothing' | 'everything' | 'a second old' }
  | { kind: 'redis full'; forMs: number }
  | { kind: 'notices lost'; forMs: number; share: number }
  | { kind: 'store down'; forMs: number }
  | { kind: 'poison'; who: number }
  /** The next shard that it computes and that is checked comes out finite and wrong. */
  | { kind: 'wrong'; who: number }
  | { kind: 'hang'; who: number }
  | { kind: 'join' }
  | { kind: 'leave'; who: number }
  | { kind: 'kill all'; backMs: number }
);

export interface Schedule {
  seed: number;
  workers: number;
  wanted: number;
  shards: number;
  steps: number;
  everySteps: number;
  wire: 'float32' | 'bf16';
  leafMs: number;
  badShards: readonly string[];
  /** Every so many steps a shard is computed twice. */
  checkEverySteps: number;
  faults: readonly Fault[];
}

/** Everything about a schedule follows from its seed. */
export function drawSchedule(seed: number): Schedule {
  const random = createRandom(seed * 7919 + 13);
  const workers = 1 + random.below(4);
  const shards = random.pick([1, 2, 3, 4, 5, 8]);
  const steps = 5 + random.below(8);
  const leafMs = random.pick([3, 10, 40, 150]);
  const lengthMs = 1_500 + steps * Math.max(30, (leafMs * shards) / workers) + 1_000;
  const drawn = Array.from({ length: random.below(6) }, () => drawFault(random, lengthMs));
  // Two members that fail at the same shard cannot be told from a bad sample.
  const onePoison = drawn.filter((fault, i) => fault.kind !== 'poison' || drawn.findIndex(isPoison) === i);
  const badShards = random.chance(0.15)
    ? [`${String(2 + random.below(steps - 2))}:${String(random.below(shards))}`]
    : [];
  const [wanted, everySteps] = [workers + random.below(3), 2 + random.below(4)];
  const wire = random.chance(0.3) ? 'bf16' : 'float32';
  const checkEverySteps = random.pick([1, 2, 3, 50]);
  const isWrong = checkEverySteps < 50 && random.chance(0.15);
  const wrong: Fault = { atMs: random.between(50, lengthMs), kind: 'wrong', who: random.below(8) };
  const struck = isWrong ? [...onePoison.filter(leavesTwo), wrong] : onePoison;
  const faults = struck.sort((a, b) => a.atMs - b.atMs);
  return {
    ...{ seed, workers, shards, steps, leafMs, badShards, faults },
    ...{ wanted, everySteps, wire, checkEverySteps },
  };
}

/** What is wrong shows by comparing: these leave two members, each at its own shards. */
const leavesTwo = ({ kind }: Fault): boolean =>
  ['redis', 'redis full', 'notices lost', 'store down', 'join'].includes(kind);

const isPoison = (fault: Fault): boolean => fault.kind === 'poison';

function drawFault(random: Random, lengthMs: number): Fault {
  const atMs = random.between(50, lengthMs);
  const who = random.below(8);
  const forMs = random.pick([120, 700, 2_000, 4_000, 9_000]);
  const kinds: (() => Fault)[] = [
    () => ({ atMs, kind: 'kill', who, backMs: random.chance(0.7) ? random.between(100, 5_000) : null }),
    () => ({ atMs, kind: 'kill', who, backMs: random.chance(0.7) ? random.between(100, 5_000) : null }),
    () => ({ atMs, kind: 'stop', who, forMs }),
    () => ({ atMs, kind: 'partition', who, forMs }),
    () => ({ atMs, kind: 'slow link', who, forMs, latencyMs: random.pick([20, 80, 300]) }),
    () => ({ atMs, kind: 'slow device', who, forMs, factor: random.pick([3, 10]) }),
    () => ({
      atMs,
      kind: 'redis',
      downMs: random.pick([50, 500, 3_000]),
      keeps: random.pick(['nothing', 'everything', 'a second old']),
    }),
    () => ({ atMs, kind: 'redis full', forMs: Math.min(forMs, 2_000) }),
    () => ({ atMs, kind: 'notices lost', forMs, share: random.pick([0.3, 1]) }),
    () => ({ atMs, kind: 'store down', forMs }),
    () => ({ atMs, kind: 'poison', who }),
    () => ({ atMs, kind: 'hang', who }),
    () => ({ atMs, kind: 'join' }),
    () => ({ atMs, kind: 'leave', who }),
    () => ({ atMs, kind: 'kill all', backMs: random.between(50, 9_000) }),
  ];
  return random.pick(kinds)();
}
