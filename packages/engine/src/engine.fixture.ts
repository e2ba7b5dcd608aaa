import assert from 'node:assert/strict';
import { counterRandom } from '@lvnet/core';
import { loadKernels } from '@lvnet/kernels';
import type { KernelBackend } from './backend.js';
import { openEngine, tf, type Engine } from './index.js';
import { findBinding } from './tensorflow/binding.js';

/** Numbers in [-1, 1), the same in every run. */
export function numbers(length: number, key: string | number): Float32Array {
  const values = new Float32Array(length);
  counterRandom('engine tests', key).fill(values, 1);
  return values;
}

export interface Engines {
  /** The engine on trial: our own kernels, or what `putOnTrial` says. */
  native: Engine;
  /** The plain loops, which judge it. */
  reference: Engine;
}

let onTrial: 'native' | 'tensorflow' = 'native';

/** For a file that holds another engine to the suites that were written for the native one. */
export function putOnTrial(kind: typeof onTrial): void {
  onTrial = kind;
}

/** Both engines, opened before the calling suite's tests; where one is not installed the suite is skipped. */
export function bothEngines(): Engines {
  const engines = {} as Engines;
  before(async function () {
    const isThere = onTrial === 'native' ? loadKernels() !== undefined : findBinding() !== undefined;
    if (!isThere) {
      if (process.env['CI'] !== undefined) throw new Error(`CI needs the ${onTrial} engine`);
      process.stderr.write(`      skipped: the ${onTrial} engine is not installed\n`);
      this.skip();
    }
    engines.reference = await openEngine({ kind: 'reference' });
    engines.native = await openEngine({ kind: onTrial, threads: 2 });
  });
  return engines;
}

/** An operation with its inputs' values by name. */
export interface Trial {
  shapes: Record<string, readonly number[]>;
  values: Record<string, Float32Array>;
  run: (inputs: Record<string, tf.Tensor>) => tf.Tensor;
}

export const trialOf = (shapes: Trial['shapes'], run: Trial['run']): Trial => ({
  shapes,
  run,
  values: Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, numbers(tf.util.sizeFromShape([...shape]), name)]),
  ),
});

/** The value `y` and, by the inputs' names, the gradients of sum(dy * y). */
export type Results = Record<string, Float32Array>;

/** Runs forward and backward, and sees to it that no tensor is left behind. */
export function measure(
  engine: Engine,
  trial: Trial,
  dyOf = (length: number) => numbers(length, 'dy'),
): Results {
  engine.activate();
  const before = tf.memory().numTensors;
  const names = Object.keys(trial.shapes);
  const inputs = names.map((name) => tf.tensor(trial.values[name] ?? [], [...(trial.shapes[name] ?? [])]));
  const named = (tensors: readonly tf.Tensor[]) =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor]));
  const probe = tf.tidy(() => trial.run(named(inputs)));
  const dy = tf.tensor(dyOf(probe.size), probe.shape);
  const { value, grads } = tf.valueAndGrads(
    (...tensors: tf.Tensor[]) => trial.run(named(tensors)) as tf.Scalar,
  )(inputs, dy as tf.Scalar);
  const results = Object.fromEntries([
    ['y', value.dataSync<'float32'>().slice()],
    ...grads.map((gradient, i) => [names[i], gradient.dataSync<'float32'>().slice()] as const),
  ]) as Results;
  assert.deepEqual(results['y'], probe.dataSync<'float32'>().slice(), 'taped and untaped runs differ');
  tf.dispose([...inputs, probe, dy, value, ...grads]);
  assert.equal(tf.memory().numTensors, before, 'tensors leaked');
  return results;
}

/** Among which an engine must give the same bytes; TensorFlow's depend on its threads, which stay. */
export const threadsOf = ({ kind, threads }: Engine): number[] =>
  kind === 'tensorflow' ? [threads, threads] : [1, 2, 3, 2];

/** With 1, 2 and 3 threads, a second time, and over buffers full of NaN: the same bytes. Returns them. */
export function measureNative({ native }: Engines, trial: Trial): Results {
  const runs = threadsOf(native).map((threads) => {
    native.setThreads(threads);
    return measure(native, trial);
  });
  const [first, ...others] = [measureSpoiled(native, trial), ...runs];
  for (const other of others)
    for (const [name, values] of Object.entries(first))
      assert.ok(sameBytes(values, other[name]), `${name}: other bytes with other threads or a second time`);
  return first;
}

/** Buffers come with whatever was in them: nobody may read that. */
function measureSpoiled(engine: Engine, trial: Trial): Results {
  engine.activate();
  if (engine.kind === 'tensorflow') return measure(engine, trial);
  const { pool } = tf.backend() as KernelBackend;
  const take = pool.take.bind(pool);
  pool.take = (length) => take(length).fill(Number.NaN);
  try {
    return measure(engine, trial);
  } finally {
    pool.take = take;
  }
}

const sameBytes = (a: Float32Array | undefined, b: Float32Array | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

const unit = 2 ** -24;

/**
 * For operations that are sums of products. A sum of n products with each of its 2n - 1 operations rounded
 * to float32, in whatever order, is off by at most about n * 2^-24 times the sum of the products'
 * magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); the reference, summed in
 * float64 and rounded once, by one 2^-24. That sum of magnitudes is the same operation on absolute values.
 *
 * @param terms n for the value and for each gradient
 * @param mixed where results are computed from sums and differences of their neighbours' products (Winograd):
 *   each is then off by the magnitudes around it, not by its own alone
 */
export function assertLinear(
  engines: Engines,
  trial: Trial,
  terms: Record<string, number>,
  mixed = false,
): void {
  const expected = measureSpoiled(engines.reference, trial);
  const values = Object.fromEntries(
    Object.entries(trial.values).map(([name, array]) => [name, array.map(Math.abs)]),
  );
  const magnitudes = measure(engines.reference, { ...trial, values }, (length) =>
    numbers(length, 'dy').map(Math.abs),
  );
  const found = measureNative(engines, trial);
  for (const [name, array] of Object.entries(expected)) {
    const count = terms[name];
    assert.ok(count !== undefined, `how many terms has ${name}?`);
    const largest = Math.max(...(magnitudes[name] ?? []));
    array.forEach((value, i) => {
      const bound = (count + 2) * unit * (mixed ? largest : (magnitudes[name]?.[i] ?? 0));
      const off = Math.abs((found[name]?.[i] ?? Number.NaN) - value);
      assert.ok(off <= bound, `${name}[${String(i)}] is off by ${String(off)}, more than ${String(bound)}`);
    });
  }
}

/**
 * For everything else: stochastic arithmetic. `linked` is the same computation out of simple operations with
 * `jitter` between them, which changes every number on its way forward and every gradient on its way back at
 * random by up to 2^-20 of itself, sixteen times what one rounding to float32 may do: a link sums up many
 * numbers, but in blocks and with errors that partly cancel. As far as that moves the reference's results, so
 * far may float32 results lie from them: largest difference by the largest move of four draws.
 *
 * @param linked default: the operation itself between jitters
 */
export function assertStable(
  engines: Engines,
  trial: Trial,
  compare: readonly string[],
  linked: (inputs: Record<string, tf.Tensor>, jitter: Jitter) => tf.Tensor = trial.run,
): void {
  const expected = measureSpoiled(engines.reference, trial);
  const found = measureNative(engines, trial);
  const moved = [1, 2, 3, 4].map((draw) => measureShaken(engines.reference, trial, draw, linked));
  for (const name of compare) {
    const exact = expected[name];
    assert.ok(exact !== undefined && exact.length > 0);
    const move = Math.max(...moved.map((results) => largestDifference(results[name], exact)));
    const off = largestDifference(found[name], exact);
    assert.ok(off <= move, `${name} is off by ${String(off)}; rounding moves it by ${String(move)}`);
  }
}

export type Jitter = (x: tf.Tensor) => tf.Tensor;

function measureShaken(
  engine: Engine,
  trial: Trial,
  draw: number,
  linked: (inputs: Record<string, tf.Tensor>, jitter: Jitter) => tf.Tensor,
): Results {
  let count = 0;
  const shake = (x: tf.Tensor) =>
    tf.tensor(shaken(x.dataSync<'float32'>(), `${String(draw)} ${String(count++)}`), x.shape);
  const jitter = (x: tf.Tensor) =>
    tf.customGrad((y) => ({ value: shake(y as tf.Tensor), gradFunc: shake }))(x);
  const run = (inputs: Record<string, tf.Tensor>) => {
    count = 0;
    const shakenInputs = Object.entries(inputs).map(([name, x]) => [name, jitter(x)] as const);
    return tf.tidy(() => jitter(linked(Object.fromEntries(shakenInputs), jitter)));
  };
  return measure(engine, { ...trial, run });
}

function shaken(array: Float32Array, key: string): Float32Array {
  const shifts = numbers(array.length, key);
  return array.map((value, i) => value * (1 + (shifts[i] ?? 0) * 2 ** -20));
}

/**
 * The gradients against the values: along a random direction of each input, central differences of sum(dy * y)
 * at steps h = 1/64 and h/2, combined so that the error of order h^2 cancels (Richardson). What is left: h^4 of
 * the fifth derivative, below 1e-5 for the smooth operations here, and the rounding of y to float32, 2^-24 of
 * the sum of |dy * y| (a few hundred numbers near 1) divided by h: 2e-3 of a slope near 1 and no better. Any
 * missing or doubled term is far more. Kinks (relu) must lie away from the values.
 */
export function assertSlopes(engine: Engine, trial: Trial): void {
  const gradients = measure(engine, trial);
  const total = (name: string, direction: Float32Array, h: number): number => {
    const moved =
      trial.values[name]?.map((value, i) => value + h * (direction[i] ?? 0)) ?? new Float32Array();
    const y = valueOf(engine, { ...trial, values: { ...trial.values, [name]: moved } });
    const dy = numbers(y.length, 'dy');
    return y.reduce((sum, value, i) => sum + value * (dy[i] ?? 0), 0);
  };
  for (const [name, array] of Object.entries(trial.values)) {
    const direction = numbers(array.length, `direction ${name}`).map((value) => Math.round(value * 8) / 8);
    const slope = (h: number) => (total(name, direction, h) - total(name, direction, -h)) / (2 * h);
    const expected = (4 * slope(1 / 128) - slope(1 / 64)) / 3;
    const found = array.reduce(
      (sum, _, i) => sum + (gradients[name]?.[i] ?? Number.NaN) * (direction[i] ?? 0),
      0,
    );
    const scale = Math.max(1, ...(gradients[name] ?? []).map(Math.abs));
    assert.ok(
      Math.abs(found - expected) <= 2e-3 * scale,
      `${name}: ${String(found)} for ${String(expected)}`,
    );
  }
}

function valueOf(engine: Engine, trial: Trial): Float32Array {
  engine.activate();
  return tf.tidy(() => {
    const inputs = Object.entries(trial.shapes).map(
      ([name, shape]) => [name, tf.tensor(trial.values[name] ?? [], [...shape])] as const,
    );
    return trial.run(Object.fromEntries(inputs)).dataSync<'float32'>().slice();
  });
}

/** NaN where either is not a number, so that no comparison passes. */
export function largestDifference(a: Float32Array | undefined, b: Float32Array): number {
  let largest = a?.length === b.length ? 0 : Number.NaN;
  b.forEach((value, i) => {
    largest = Math.max(largest, Math.abs((a?.[i] ?? Number.NaN) - value));
  });
  return largest;
}

/** The operation refuses with this code and message on both engines, and leaves no tensor behind. */
export function assertRefused(engines: Engines, message: RegExp, run: () => tf.Tensor): void {
  for (const engine of [engines.native, engines.reference]) {
    engine.activate();
    const before = tf.memory().numTensors;
    assert.throws(() => tf.tidy(run), { name: 'Failure', code: 'SHAPE_MISMATCH', message });
    assert.equal(tf.memory().numTensors, before, 'tensors leaked');
  }
}
