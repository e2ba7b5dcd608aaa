import assert from 'node:assert/strict';
import {
  buildNetwork,
  headWeights,
  initialWeights,
  shardGradient,
  type Network,
  type ShardOptions,
  type ShardResult,
  type Weights,
} from './index.js';
import type { LvNetConfig } from './config.js';
import { type Engines } from './engines.fixture.js';
import { byName, exampleOf, inFloat64, numbers, trainedLike } from './networks.fixture.js';
import { plainPass, type PlainPass } from './plain-network.fixture.js';

/** A network, the size of a shard for it, and the loss. */
export interface Setting {
  options: Record<string, unknown>;
  /** [samples, slices, rows, columns] */
  shape: ShardOptions['shape'];
  eta: number[];
  order?: ShardOptions['order'];
}

/** Every option at its ends, in a few small networks. */
export const settings = {
  small: {
    options: { baseWidth: 2, levels: 2, blocksPerStage: 1, expansionRate: 2, kernel: 3 },
    shape: [1, 4, 6, 4],
    eta: [0.5],
  },
  'epsilon 1, kernel 7, relu': {
    options: { baseWidth: 3, levels: 2, blocksPerStage: 1, expansionRate: 1, kernel: 7, activation: 'relu' },
    shape: [2, 2, 4, 6],
    eta: [0.25],
  },
  'epsilon 16, two blocks, five classes': {
    options: { baseWidth: 1, levels: 2, blocksPerStage: 2, expansionRate: 16, kernel: 3, classes: 5 },
    shape: [1, 4, 4, 4],
    eta: [1],
  },
  'three levels, kernel 5, fine to coarse': {
    options: { baseWidth: 2, levels: 3, blocksPerStage: 1, expansionRate: 2, kernel: 5, classes: 3 },
    shape: [1, 4, 4, 8],
    eta: [0.25, 2],
    order: 'fine-to-coarse',
  },
  'all heads off': {
    options: { baseWidth: 1, levels: 3, blocksPerStage: 1, expansionRate: 3, kernel: 3 },
    shape: [2, 4, 4, 8],
    eta: [0, 0],
  },
} satisfies Record<string, Setting>;

/** A setting with weights, an example, and ways to compute its loss and gradient. */
export interface Judged {
  network: Network;
  weights: Weights;
  run: (kind: 'native' | 'reference', weights?: Weights) => ShardResult;
  plain: (weights?: ReadonlyMap<string, Float64Array>) => PlainPass;
  /** The total loss, in float64. */
  loss: (weights: ReadonlyMap<string, Float64Array>) => number;
}

export function judged(engines: Engines, setting: Setting): Judged {
  const network = buildNetwork(setting.options);
  const weights = trainedLike(network);
  const { shape, eta, order = 'coarse-to-fine' } = setting;
  const { image, label } = exampleOf(shape, network.config.classes);
  const [n, d, h, w] = shape;
  const plain = (of: ReadonlyMap<string, Float64Array> = inFloat64(weights)) =>
    plainPass(lvNetOf(network), of, Float64Array.from(image), label, { n, d, h, w });
  return {
    network,
    weights,
    plain,
    run: (kind, of = weights) =>
      shardGradient(engines[kind], network, of, image, label, { shape, eta, order }),
    loss: (of) => weighted(plain(of).losses, headWeights({ eta, order })),
  };
}

const weighted = ([main = Number.NaN, ...heads]: readonly number[], eta: readonly number[]): number =>
  heads.reduce((sum, loss, i) => sum + loss * (eta[i] ?? Number.NaN), main);

/** Losses and batch statistics (means and unbiased variances) of both engines against the float64 pass. */
export function assertLosses({ network, weights, run, plain, loss }: Judged): void {
  const moves = movesOf(
    run,
    network,
    weights,
    ({ losses, statistics }) =>
      new Map([
        ['losses', Float32Array.from(losses)],
        ['statistics', statistics],
      ]),
  );
  const expected = plain();
  const losses = [loss(inFloat64(weights)), ...expected.losses];
  const statistics = network.state.flatMap(({ name, kind }): number[] => {
    const found = expected.statistics.get(name.slice(0, name.lastIndexOf('.')));
    const { mean = [], variance = [], count = 0 } = found ?? {};
    if (kind === 'runningMean') return [...mean];
    return kind === 'runningVariance' ? [...variance].map((value) => (value * count) / (count - 1)) : [];
  });
  for (const kind of ['native', 'reference'] as const) {
    const found = run(kind);
    assert.equal(losses.length, 1 + network.headNames.length);
    for (const [what, values] of Object.entries({ losses, statistics })) {
      const off = largestDifference(found[what as 'losses' | 'statistics'], values);
      const move = moves.get(what) ?? 0;
      assert.ok(off <= move, `${kind}: ${what} are off by ${String(off)}, more than ${String(move)}`);
    }
  }
}

/**
 * The gradients of both engines against central differences of the float64 loss: each group of tensors along
 * one random direction. At h = 2^-20 the differences are right to about 1e-8: h^2 of the third derivative,
 * and roundings near 1e-15 divided by h. How far float32 may be off: see `movesOf`.
 */
export function assertGradients(
  { network, weights, run, loss }: Judged,
  groupOf: (tensor: string) => string,
): void {
  const moves = movesOf(run, network, weights, ({ gradients }) => byName(network, gradients));
  const found = (['native', 'reference'] as const).map((kind) => byName(network, run(kind).gradients));
  for (const group of new Set(network.trained.map(({ name }) => groupOf(name)))) {
    const tensors = network.trained.map(({ name }) => name).filter((name) => groupOf(name) === group);
    const direction = new Map(
      tensors.map((name) => [name, numbers(weights.byName.get(name)?.length ?? 0, `direction of ${name}`)]),
    );
    const at = (h: number) => {
      const moved = inFloat64(weights);
      for (const [name, shifts] of direction)
        moved.get(name)?.forEach((value, i, all) => (all[i] = value + h * (shifts[i] ?? 0)));
      return loss(moved);
    };
    const expected = (at(2 ** -20) - at(-(2 ** -20))) / 2 ** -19;
    const reach = tensors.reduce((sum, name) => {
      const length = direction.get(name)?.reduce((total, shift) => total + Math.abs(shift), 0) ?? 0;
      return sum + length * (moves.get(name) ?? Number.NaN);
    }, 1e-8);
    for (const gradients of found) {
      const along = tensors.reduce((sum, name) => sum + dot(gradients.get(name), direction.get(name)), 0);
      assertNear(along, expected, reach, group);
    }
  }
}

const dot = (a: Float32Array | undefined, b: Float32Array | undefined): number =>
  a?.reduce((sum, value, i) => sum + value * (b?.[i] ?? Number.NaN), 0) ?? Number.NaN;

/**
 * As far as results move when every weight is changed at random by up to so many roundings to
 * float32 (2^-24 of itself each), so far may float32 results lie from float64 ones: the largest difference within
 * each array, of three draws. Some results are zero by symmetry (scales and offsets before a batch norm have
 * no effect), whatever the weights; there float32 leaves a trace of the numbers that cancel, which are no
 * larger than the largest results: four roundings of that come on top.
 */
export function movesOf<K>(
  run: Judged['run'],
  network: Network,
  weights: Weights,
  parts: (result: ShardResult) => ReadonlyMap<K, Float32Array>,
  roundings = 16,
): Map<K, number> {
  const still = parts(run('native'));
  const moved = [1, 2, 3].map((draw) => parts(run('native', shaken(network, weights, draw, roundings))));
  const largest = Math.max(...[...still.values()].map((values) => Math.max(...values.map(Math.abs))));
  const moveOf = (key: K, values: Float32Array) =>
    Math.max(...moved.map((results) => largestDifference(results.get(key), values)));
  return new Map([...still].map(([key, values]) => [key, moveOf(key, values) + 4 * 2 ** -24 * largest]));
}

/** NaN where either is not a number, so that no comparison passes. */
export const largestDifference = (a: ArrayLike<number> | undefined, b: ArrayLike<number>): number =>
  a?.length === b.length
    ? Array.from(b).reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - (a[i] ?? Number.NaN))),
        0,
      )
    : Number.NaN;

function shaken(network: Network, weights: Weights, draw: number, roundings: number): Weights {
  const moved = initialWeights(network.config, 1);
  for (const { name } of network.trained) {
    const shifts = numbers(moved.byName.get(name)?.length ?? 0, `${name} ${String(draw)}`);
    const change = (value: number, i: number) => value * (1 + (shifts[i] ?? 0) * roundings * 2 ** -24);
    moved.byName.get(name)?.set(weights.byName.get(name)?.map(change) ?? []);
  }
  return moved;
}

function assertNear(found: number | undefined, expected: number, tolerance: number, what: string): void {
  const off = Math.abs((found ?? Number.NaN) - expected);
  const message = `${what} is ${String(found)}, not ${String(expected)}: off by more than ${String(tolerance)}`;
  assert.ok(off <= tolerance, message);
}

function lvNetOf({ config }: Network): LvNetConfig {
  assert.equal(config.name, 'lv-net');
  return config;
}
