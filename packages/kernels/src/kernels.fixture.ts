import type { IrbShape, IrbStatistics, IrbWeights } from './kernel-set.js';

/** Numbers in [-1, 1) from a small linear generator: the same in every run. */
export function numbers(length: number, seed: number, scale = 1): Float32Array {
  let state = (seed * 2_654_435_761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
}

/** Largest difference, relative to the largest magnitude expected. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, magnitude] = [0, 1e-30];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] ?? Number.NaN, expected[i] ?? Number.NaN];
    if (!(Math.abs(a - e) <= difference)) difference = Math.abs(a - e);
    magnitude = Math.max(magnitude, Math.abs(e));
  }
  return difference / magnitude;
}

export function irbWeights(s: IrbShape, seed: number, biased: boolean): IrbWeights {
  const { c, expanded: e, k } = s;
  const gamma = (length: number, salt: number) => numbers(length, seed + salt, 0.3).map((value) => value + 1);
  const bias = (length: number, salt: number) => (biased ? numbers(length, seed + salt) : null);
  return {
    expandWeight: numbers(c * e, seed + 1),
    expandBias: bias(e, 2),
    gamma1: gamma(e, 3),
    beta1: numbers(e, seed + 4, 0.5),
    depthwiseWeight: numbers(e * k ** 3, seed + 5, 0.2),
    depthwiseBias: bias(e, 6),
    gamma2: gamma(e, 7),
    beta2: numbers(e, seed + 8, 0.5),
    projectWeight: numbers(c * e, seed + 9, 0.5),
    projectBias: bias(c, 10),
    gamma3: gamma(c, 11),
    beta3: numbers(c, seed + 12, 0.5),
  };
}

export const emptyLike = (p: IrbWeights): IrbWeights => {
  const entries = Object.entries(p) as [keyof IrbWeights, Float32Array | null][];
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === null ? null : new Float32Array(value.length)]),
  ) as unknown as IrbWeights;
};

export function irbStatistics({ c, expanded }: IrbShape): IrbStatistics {
  const [mean1, variance1, mean2, variance2] = [0, 1, 2, 3].map(() => new Float32Array(expanded)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { mean1, variance1, mean2, variance2, mean3: new Float32Array(c), variance3: new Float32Array(c) };
}
