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
  /** Uniform in [-bound, bound): `(2 uniformAt(i) - 1) bound` in place i. */
  fill(values: Float32Array | Float64Array, bound: number): void;
  /** The next position of an own, private counter. */
  next(): number;
  /** Integer in [0, bound). */
  below(bound: number): number;
}

const TWO_32 = 2 ** 32;
const GOLDEN_HIGH = 0x9e3779b9;
const GOLDEN_LOW = 0x7f4a7c15;

export function counterRandom(...key: readonly (string | number)[]): CounterRandom {
  const digest = createHash('sha256').update(JSON.stringify(key)).digest();
  const [baseLow, baseHigh] = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
  const uint32At = (counter: number) => {
    // base + (counter + 1) * golden: the generator adds golden once more.
    const [countLow, countHigh] = [(counter + 1) >>> 0, Math.floor((counter + 1) / TWO_32)];
    const high = highOfProduct(countLow, countHigh, GOLDEN_LOW, GOLDEN_HIGH);
    const low = (Math.imul(countLow, GOLDEN_LOW) + baseLow) >>> 0;
    return mixed(low, high + baseHigh + (low < baseLow ? 1 : 0));
  };
  const uniformAt = (counter: number) => uint32At(counter) / TWO_32;
  let position = 0;
  const next = () => uniformAt(position++);
  const fill = (values: Float32Array | Float64Array, bound: number) => {
    let low = baseLow | 0;
    let high = baseHigh | 0;
    for (let i = 0; i < values.length; i++) {
      const before = low;
      low = (low + GOLDEN_LOW) | 0;
      high = (high + GOLDEN_HIGH + (low >>> 0 < before >>> 0 ? 1 : 0)) | 0;
      values[i] = ((mixed(low, high) / TWO_32) * 2 - 1) * bound;
    }
  };
  return { uint32At, uniformAt, fill, next, below: (bound) => Math.floor(next() * bound) };
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

/**
 * High half of SplitMix64's finaliser. Halves of 32 bits: networks draw tens of millions of weights, for which BigInt
 * takes a minute.
 */
function mixed(lowBits: number, highBits: number): number {
  let low = lowBits ^ ((lowBits >>> 30) | (highBits << 2));
  let high = highBits ^ (highBits >>> 30);
  high = highOfProduct(low, high, 0x1ce4e5b9, 0xbf58476d);
  low = Math.imul(low, 0x1ce4e5b9);
  low ^= (low >>> 27) | (high << 5);
  high ^= high >>> 27;
  high = highOfProduct(low, high, 0x133111eb, 0x94d049bb);
  return (high ^ (high >>> 31)) >>> 0;
}

/**
 * Bits 32 to 63 of a product; bits 0 to 31 are `Math.imul(aLow, bLow)`. From halves of halves, whose products need no
 * more than 32 bits: a processor's whole numbers do, where floating-point ones take five times as long.
 */
function highOfProduct(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const inner = Math.imul(a0, b1);
  const outer = Math.imul(a1, b0);
  const middle = (Math.imul(a0, b0) >>> 16) + (inner & 0xffff) + (outer & 0xffff);
  const carried = (inner >>> 16) + (outer >>> 16) + (middle >>> 16);
  return (Math.imul(a1, b1) + carried + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow)) | 0;
}
