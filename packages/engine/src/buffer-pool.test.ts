import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createBufferPool } from './buffer-pool.js';
import { bothEngines } from './engine.fixture.js';
import { addTensors, averagePool3d, tf, upsampleTrilinear, type Engine } from './index.js';

describe('buffer pool', () => {
  it('hands out again what was given back, the same length only', () => {
    const pool = createBufferPool();
    const first = pool.take(20_000);
    pool.give(first);
    assert.notEqual(pool.take(20_001), first);
    assert.equal(pool.take(20_000), first);
    assert.notEqual(pool.take(20_000), first);
  });

  it('takes nothing that is not its own, nothing small, nothing twice', () => {
    const pool = createBufferPool();
    const [foreign, small, own] = [new Float32Array(20_000), pool.take(100), pool.take(20_000)];
    for (const array of [foreign, small, own, own]) pool.give(array);
    assert.notEqual(pool.take(100), small);
    assert.equal(pool.take(20_000), own);
    assert.ok(![foreign, own].includes(pool.take(20_000)));
    const view = own.subarray(0, 20_000);
    pool.give(view);
    assert.notEqual(pool.take(20_000), view);
  });
});

const length = 16_384; // the smallest that is pooled
const shape = [1, 4, 32, 32, 4];

type Action =
  | { kind: 'make'; value: number }
  | { kind: 'add'; a: number; b: number }
  | { kind: 'clone' | 'reshape' | 'slice' | 'rewrap' | 'dispose' | 'pool'; a: number }
  | { kind: 'switch' };

const position = fc.nat(1_000);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('make' as const), value: fc.nat(100) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), a: position, b: position }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('clone', 'reshape', 'slice', 'rewrap', 'dispose', 'dispose', 'dispose', 'pool'),
      a: position,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('switch' as const) }) },
);

/** A live tensor and what must be in it: its first value, whatever the others do. */
interface Held {
  tensor: tf.Tensor;
  value: number;
}

/** The tensors that an action makes of those there are; `dispose` takes one away. */
function act(held: Held[], todo: Action, engines: readonly Engine[]): void {
  if (todo.kind === 'switch') {
    engines.find((engine) => tf.getBackend() !== `lvnet-${engine.kind}`)?.activate();
    return;
  }
  if (todo.kind === 'make' || held.length === 0) {
    const value = todo.kind === 'make' ? todo.value : 1;
    held.push({ tensor: tf.tensor(new Float32Array(length).fill(value), shape), value });
    return;
  }
  const at = todo.a % held.length;
  const { tensor, value } = held[at] as Held;
  const whole = tensor.size === length;
  switch (todo.kind) {
    case 'add': {
      const other = held[todo.b % held.length] as Held;
      if (other.tensor.shape.join() !== tensor.shape.join()) return;
      held.push({ tensor: addTensors(tensor, other.tensor), value: Math.fround(value + other.value) });
      return;
    }
    case 'pool':
      // Up-sampling the means of a constant gives it back: eight times the size between, pooled as well.
      if (whole && tensor.shape.length === 5)
        held.push({ tensor: tf.tidy(() => averagePool3d(upsampleTrilinear(tensor, 2))), value });
      return;
    case 'clone':
      held.push({ tensor: tf.clone(tensor), value });
      return;
    case 'reshape':
      held.push({
        tensor: tf.reshape(tensor, whole && tensor.shape.length === 1 ? shape : [tensor.size]),
        value,
      });
      return;
    case 'slice':
      if (whole)
        held.push({ tensor: tf.tidy(() => tf.slice(tf.reshape(tensor, [length]), [7], [100])), value });
      return;
    case 'rewrap':
      held.push({ tensor: tf.tensor(tensor.dataSync<'float32'>(), tensor.shape), value });
      return;
    case 'dispose':
      tensor.dispose();
      held.splice(at, 1);
  }
}

describe('tensors over pooled buffers', function () {
  this.timeout(20_000);
  const engines = bothEngines();

  it('keep their values while they live, whatever is made, shared, moved and thrown away', () => {
    const both = [engines.native, engines.reference];
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 30 }), (actions) => {
        const before = tf.memory().numTensors;
        const held: Held[] = [];
        try {
          for (const todo of actions) {
            act(held, todo, both);
            for (const { tensor, value } of held) {
              const values = tensor.dataSync<'float32'>();
              assert.ok(values[0] === value && values.at(-1) === value, `${todo.kind} changed a live tensor`);
            }
          }
        } finally {
          tf.dispose(held.map(({ tensor }) => tensor));
        }
        assert.equal(tf.memory().numTensors, before);
      }),
      { numRuns: 25, seed: 7 },
    );
  });

  it('leave the pool alone when they move to another engine, are sliced or wrapped anew', () => {
    const { native, reference } = engines;
    native.activate();
    const one = tf.ones(shape);
    const make = () => addTensors(one, one);
    const moved = make();
    reference.activate();
    addTensors(moved, moved).dispose();
    native.activate();
    const [sliced, wrapped] = [make(), make()];
    const slice = tf.tidy(() => tf.slice(tf.reshape(sliced, [length]), [0], [100]));
    const again = tf.tensor(wrapped.dataSync<'float32'>(), shape);
    tf.dispose([sliced, wrapped]);
    const five = tf.fill(shape, 5);
    const others = [1, 2, 3, 4].map(() => addTensors(five, five));
    for (const tensor of [moved, slice, again]) assert.equal(tensor.dataSync<'float32'>()[0], 2);
    tf.dispose([one, moved, slice, again, five, ...others]);
  });
});
