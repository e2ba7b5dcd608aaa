import type { AdamUpdate, KernelSet } from '../kernel-set.js';

const { fround } = Math;
const at = (array: Float32Array, i: number): number => array[i] ?? Number.NaN;

type VectorKernel =
  | 'add'
  | 'addTree'
  | 'roundToBf16'
  | 'fromBf16'
  | 'adamStep'
  | 'scaleInto'
  | 'isAllFinite'
  | 'checksum'
  | 'sumOfSquares';

export const vectors: Pick<KernelSet, VectorKernel> = {
  add(a, b, sum) {
    for (let i = 0; i < sum.length; i++) sum[i] = at(a, i) + at(b, i);
  },
  addTree(sources, order, isRounded, sum) {
    const halves = new Uint16Array(sum.length);
    const round = (values: Float32Array) => {
      if (!isRounded) return;
      vectors.roundToBf16(halves, values);
      vectors.fromBf16(values, halves);
    };
    const valuesOf = (source: Float32Array | Uint16Array | undefined) => {
      if (source === undefined || source.length < sum.length) throw new TypeError('a source is missing');
      const values = new Float32Array(sum.length);
      if (source instanceof Uint16Array) vectors.fromBf16(values, source);
      else values.set(source.subarray(0, sum.length));
      round(values);
      return values;
    };
    const waiting: Float32Array[] = [];
    for (const step of order) {
      if (step >= 0) waiting.push(valuesOf(sources[step]));
      else {
        const [b, a] = [waiting.pop(), waiting.at(-1)];
        if (a === undefined || b === undefined) throw new TypeError('this is no order of additions');
        vectors.add(a, b, a);
        round(a);
      }
    }
    const [only, ...more] = waiting;
    if (only === undefined || more.length > 0) throw new TypeError('this is no order of additions');
    sum.set(only);
  },
  roundToBf16(into, from) {
    const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
    for (let i = 0; i < from.length; i++) {
      const value = bits[i] ?? 0;
      const isNan = (value & 0x7fffffff) > 0x7f800000;
      into[i] = isNan ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
    }
  },
  fromBf16(into, from) {
    const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
    for (let i = 0; i < into.length; i++) bits[i] = (from[i] ?? 0) << 16;
  },
  scaleInto(into, factor) {
    const rounded = fround(factor);
    for (let i = 0; i < into.length; i++) into[i] = at(into, i) * rounded;
  },
  isAllFinite: (values) => values.every(Number.isFinite),
  checksum(values) {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const mixed = (sum: bigint, word: bigint) => BigInt.asUintN(53, (sum ^ word) * 0x9e3779b97f4a7c15n);
    const sums = partsOf(words).map((part) => {
      const lanes = Array.from({ length: 8 }, () => 0n);
      for (const [i, word] of part.entries()) lanes[i % 8] = mixed(lanes[i % 8] ?? 0n, BigInt(word));
      return lanes.reduce(mixed, 0n);
    });
    return Number(sums.reduce(mixed, 0n));
  },
  sumOfSquares(values) {
    const sums = partsOf(values).map((part) => {
      const lanes = new Float64Array(8);
      for (const [i, value] of part.entries()) lanes[i % 8] = (lanes[i % 8] ?? 0) + value ** 2;
      return lanes.reduce((total, sum) => total + sum, 0);
    });
    return sums.reduce((total, sum) => total + sum, 0);
  },
  adamStep(u: AdamUpdate) {
    const c = adamConstants(u);
    for (let i = u.from; i < u.to; i++) {
      const mean = fround(at(u.gradient, i) / u.samples);
      const gradient = fround(mean + fround(c.weightDecay * at(u.weights, i)));
      const m = fround(fround(c.beta1 * at(u.m, i)) + fround(c.rest1 * gradient));
      const v = fround(fround(c.beta2 * at(u.v, i)) + fround(fround(c.rest2 * gradient) * gradient));
      const root = fround(fround(fround(Math.sqrt(v)) / c.rootCorrection2) + c.epsilon);
      u.m[i] = m;
      u.v[i] = v;
      u.weights[i] = fround(at(u.weights, i) - fround(c.stepSize * fround(m / root)));
    }
  },
};

/** Of a fixed length, as several threads take them. */
function partsOf<A extends Float32Array | Uint32Array>(values: A): A[] {
  const length = 2 ** 16;
  return Array.from(
    { length: Math.ceil(values.length / length) },
    (_, i) => values.subarray(i * length, (i + 1) * length) as A,
  );
}

/** What every element shares, in float32: corrections by repeated multiplication, not Math.pow. */
export function adamConstants(u: AdamUpdate) {
  let [power1, power2] = [1, 1];
  for (let i = 0; i < u.step; i++) {
    power1 *= u.beta1;
    power2 *= u.beta2;
  }
  return {
    beta1: fround(u.beta1),
    rest1: fround(1 - u.beta1),
    beta2: fround(u.beta2),
    rest2: fround(1 - u.beta2),
    epsilon: fround(u.epsilon),
    weightDecay: fround(u.weightDecay),
    stepSize: fround(u.learningRate / (1 - power1)),
    rootCorrection2: fround(Math.sqrt(1 - power2)),
  };
}
