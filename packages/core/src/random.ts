import { createHash } from 'node:crypto';

/**
 * Counter-based random numbers: the n-th value depends on (key, n) only, so that any worker can draw
 * any value at any time. Generator: the key is hashed with SHA-256 to 64 bits, each draw mixes
 * key + counter with the finaliser of SplitMix64 (Steele, Lea, Flood 2014). Integer arithmetic only,
 * so the same bits on every machine.
 */
export interface CounterRandom {
  /** 32 random bits at a position. */
  uint32At(counter: number): number;
  /** Uniform in [0, 1) with 32 bits. */
  uniformAt(counter: number): number;
  /** The next position of an own, private counter. */
  next(): number;
  /** Integer in [0, bound). */
  below(bound: number): number;
}

export function counterRandom(...key: readonly (string | number)[]): CounterRandom {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  const base = digest.readBigUInt64LE(0);
  const uint32At = (counter: number) => Number(splitMix64(base + BigInt(counter) * GOLDEN) >> 32n);
  const uniformAt = (counter: number) => uint32At(counter) / 2 ** 32;
  let position = 0;
  const next = () => uniformAt(position++);
  return { uint32At, uniformAt, next, below: (bound) => Math.floor(next() * bound) };
}

/** A new array in an order that depends on the generator only (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: CounterRandom): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = result[i] as T;
    result[i] = result[j] as T;
    result[j] = held;
  }
  return result;
}

const GOLDEN = 0x9e3779b97f4a7c15n;
const MASK = (1n << 64n) - 1n;

function splitMix64(state: bigint): bigint {
  let z = (state + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}
