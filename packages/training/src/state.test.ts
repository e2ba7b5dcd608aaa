import assert from 'node:assert/strict';
import { readCheckpoint, writeCheckpoint } from '@lvnet/checkpoints';
import { memoryStore } from '@lvnet/store';
import {
  copyState,
  decodeState,
  encodeState,
  fromCheckpoint,
  initialState,
  namedWeights,
  toCheckpoint,
  weightsOf,
  type TrainingState,
} from './state.js';
import { bytesOf, tinyNetwork } from './tiny-run.fixture.js';
import { buildNetwork } from '@lvnet/networks';

const network = buildNetwork(tinyNetwork);

/** A state as after some steps, with values that only exact bytes preserve. */
function someState(): TrainingState {
  const state = initialState(network, 5);
  const odd = [-0, 1e-45, -1e-40, 3.4e38, 1 / 3, Math.PI, -1];
  const fill = (values: Float32Array, shift: number) => {
    values.forEach((_, i) => (values[i] = odd[(i + shift) % odd.length] ?? 0));
  };
  fill(state.weights.parameters, 0);
  fill(state.weights.statistics, 1);
  fill(state.optimizer.m, 2);
  fill(state.optimizer.v, 3);
  state.weights.batches = 12;
  state.optimizer.step = 12;
  const changed = { ...state, step: 12, digest: 'ab'.repeat(32), lossHistory: [0.1, 1 / 3, 5e-324] };
  const copy = decodeState(network, encodeState(network, changed)); // its weights' hash is measured
  return { ...changed, weightsSha256: copy.weightsSha256 };
}

function assertSame(found: TrainingState, expected: TrainingState): void {
  const arrays = (state: TrainingState) =>
    [state.weights.parameters, state.weights.statistics, state.optimizer.m, state.optimizer.v].map(bytesOf);
  assert.deepEqual(arrays(found), arrays(expected));
  const facts = ({ step, digest, weightsSha256, lossHistory, weights, optimizer }: TrainingState) => ({
    ...{ step, digest, weightsSha256, lossHistory },
    batches: weights.batches,
    updates: optimizer.step,
  });
  assert.deepEqual(facts(found), facts(expected));
}

describe('the state of training', () => {
  it('goes to a newcomer and back with the same bytes', () => {
    const state = someState();
    const bytes = encodeState(network, state);
    const decoded = decodeState(network, bytes);
    assertSame(decoded, state);
    assert.ok(Buffer.from(encodeState(network, decoded)).equals(bytes));
  });

  it('does not hang on to the bytes it came from', () => {
    const bytes = encodeState(network, someState());
    const decoded = decodeState(network, bytes);
    bytes.fill(0);
    assertSame(decoded, someState());
  });

  it('goes through a checkpoint in the store with the same bytes', async () => {
    const store = memoryStore();
    const state = someState();
    const stepsPerEpoch = 5;
    await writeCheckpoint(store, 'r', toCheckpoint(network, state, stepsPerEpoch));
    const { state: read, manifest } = await readCheckpoint(store, 'r');
    assertSame(fromCheckpoint(network, read), state);
    assert.deepEqual([manifest.step, manifest.epoch], [12, 3]);
    assert.deepEqual(manifest.sampler, { epoch: 3, position: 2 });
  });

  it('knows its place in the epoch at the start and at ends', () => {
    const place = (step: number) => {
      const { epoch, sampler } = toCheckpoint(network, { ...someState(), step }, 5);
      return [epoch, sampler.epoch, sampler.position];
    };
    assert.deepEqual([0, 1, 5, 6, 10].map(place), [
      [0, 0, 0],
      [1, 1, 1],
      [1, 1, 5],
      [2, 2, 1],
      [2, 2, 5],
    ]);
  });

  it('copies share nothing', () => {
    const state = someState();
    const copy = copyState(network, state);
    assertSame(copy, state);
    for (const values of [
      copy.weights.parameters,
      copy.weights.statistics,
      copy.optimizer.m,
      copy.optimizer.v,
    ])
      values.fill(7);
    copy.weights.batches++;
    copy.optimizer.step++;
    assertSame(state, someState());
  });

  it('has the tensors of PyTorch: its names, its layouts, its count of batches', () => {
    const state = someState();
    const tensors = namedWeights(network, state.weights);
    assert.deepEqual(
      tensors.map(({ name, shape }) => [name, shape]),
      network.state.map(({ name, shape }) => [name, shape]),
    );
    const counts = tensors.filter(({ name }) => name.endsWith('.num_batches_tracked'));
    assert.ok(counts.length > 0);
    for (const { dtype, data } of counts) assert.deepEqual([dtype, [...data]], ['I64', [12n]]);
    const { optimizer } = toCheckpoint(network, state, 5);
    assert.deepEqual(
      optimizer.map(({ name }) => name),
      network.trained.flatMap(({ name }) => [`${name}.exp_avg`, `${name}.exp_avg_sq`]),
    );
  });

  it('begins the same for the same seed', () => {
    assertSame(initialState(network, 5), initialState(network, 5));
    assert.notEqual(initialState(network, 6).digest, initialState(network, 5).digest);
  });
});

describe('weights that do not fit', () => {
  const tensors = namedWeights(network, initialState(network, 1).weights);

  it('are refused by the name of what is missing', () => {
    const lacking = tensors.filter(({ name }) => name !== 'dec0.0.bn2.running_var');
    assert.throws(() => weightsOf(network, lacking), {
      code: 'WEIGHTS_MISMATCH',
      message: 'dec0.0.bn2.running_var is missing; the network needs [4].',
      details: { name: 'dec0.0.bn2.running_var', expected: [4], found: null },
    });
  });

  it('are refused by the name of what has another shape', () => {
    const other = buildNetwork({ ...tinyNetwork, expansionRate: 3 });
    assert.throws(() => weightsOf(other, tensors), {
      code: 'WEIGHTS_MISMATCH',
      message: 'enc0.0.expand.weight has shape [4, 2, 1, 1, 1]; the network needs [6, 2, 1, 1, 1].',
    });
  });

  it('may lack the count of batches', () => {
    const bare = tensors.filter(({ name }) => !name.endsWith('num_batches_tracked'));
    assert.equal(weightsOf(network, bare).batches, 0);
  });

  it('are refused when a moment is missing', () => {
    const checkpoint = toCheckpoint(network, initialState(network, 1), 5);
    const optimizer = checkpoint.optimizer.filter(({ name }) => name !== 'output.bias.exp_avg_sq');
    assert.throws(() => fromCheckpoint(network, { ...checkpoint, optimizer }), {
      code: 'WEIGHTS_MISMATCH',
      message: /output\.bias\.exp_avg_sq is missing/,
    });
  });
});
