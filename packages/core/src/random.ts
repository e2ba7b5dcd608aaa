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
  const [baseLow, baseHigh] = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
  const uint32At = (counter: number) => mixed(baseLow, baseHigh, counter);
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

const TWO_32 = 2 ** 32;

/**
 * High half of splitMix64(base + counter * golden), in halves of 32 bits: networks draw tens of millions of
 * weights, for which BigInt takes a minute.
 */
function mixed(baseLow: number, baseHigh: number, counter: number): number {
  // base + (counter + 1) * golden: the generator adds golden once more.
  let high = multiplyHigh(counter + 1, 0x9e3779b9, 0x7f4a7c15);
  let low = (lowProduct + baseLow) >>> 0;
  high = (high + baseHigh + (low < baseLow ? 1 : 0)) >>> 0;
  low = (low ^ ((low >>> 30) | (high << 2))) >>> 0;
  high = (high ^ (high >>> 30)) >>> 0;
  high = (multiplyHigh(low, 0xbf58476d, 0x1ce4e5b9) + Math.imul(high, 0x1ce4e5b9)) >>> 0;
  low = lowProduct;
  low = (low ^ ((low >>> 27) | (high << 5))) >>> 0;
  high = (high ^ (high >>> 27)) >>> 0;
  high = (multiplyHigh(low, 0x94d049bb, 0x133111eb) + Math.imul(high, 0x133111eb)) >>> 0;
  return (high ^ (high >>> 31)) >>> 0;
}

/** The low half of the last product, beside its result: no object for each of millions of calls. */
let lowProduct = 0;

/** High half of a * (bHigh, bLow) modulo 2^64, a a whole number below 2^53; the low half goes to lowProduct. */
function multiplyHigh(a: number, bHigh: number, bLow: number): number {
  const aHigh = Math.floor(a / TWO_32);
  const aLow = a >>> 0;
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const low = a0 * b0;
  const inner = a0 * b1;
  const outer = a1 * b0;
  const middle = (low >>> 16) + (inner & 0xffff) + (outer & 0xffff);
  lowProduct = ((middle << 16) | (low & 0xffff)) >>> 0;
  const carried = a1 * b1 + (inner >>> 16) + (outer >>> 16) + (middle >>> 16);
  return (carried + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0;
}
