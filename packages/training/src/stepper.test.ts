import assert from 'node:assert/strict';
import { firstDigest, nextDigest, weightsSha256 } from '@lvnet/checkpoints';
import { loadKernels } from '@lvnet/kernels';
import { createStepSampler, sampleId } from './sampling.js';
import { copyState, encodeState, namedWeights } from './state.js';
import { openTinyRun, reducerIn, tinySpec, type TinyRun } from './tiny-run.fixture.js';
import type { StepOutcome } from './stepper.js';

const inOrder = [0, 1, 2, 3];

async function train(run: TinyRun, steps: number, order = inOrder): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  let state = run.start();
  for (let step = 1; step <= steps; step++) {
    const outcome = await run.stepper.step(state, reducerIn(run, order));
    outcomes.push({ ...outcome, state: copyState(run.network, outcome.state) });
    state = outcome.state;
  }
  return outcomes;
}

describe('a training step', function () {
  this.timeout(20_000);

  /** Three steps as they come, for every test that looks at them. */
  let run: TinyRun;
  let trained: StepOutcome[];
  before(async () => {
    run = await openTinyRun();
    trained = await train(run, 3);
  });

  it('gives the same bytes whatever the order in which shards are computed', async () => {
    for (const order of [
      [3, 2, 1, 0],
      [2, 0, 3, 1],
    ]) {
      for (const [i, { state }] of (await train(run, 2, order)).entries()) {
        const expected = encodeState(run.network, (trained[i] as StepOutcome).state);
        assert.ok(Buffer.from(encodeState(run.network, state)).equals(expected), order.join());
      }
    }
  });

  it('gives other bytes for another seed, another step and another number of shards', async () => {
    const digests = new Set(trained.map(({ state }) => state.digest));
    for (const spec of [tinySpec({ seed: 4 }), tinySpec({ shards: 2 })]) {
      const other = await openTinyRun({ spec });
      const [{ state }] = (await train(other, 1, inOrder.slice(0, spec.shards))) as [StepOutcome];
      digests.add(state.digest);
    }
    assert.equal(digests.size, 5);
  });

  it('chains its digest: the one before, the step, the samples, the weights', () => {
    let digest = firstDigest(weightsSha256(namedWeights(run.network, run.start().weights)));
    assert.equal(run.start().digest, digest);
    for (const { state, record } of trained) {
      const sha = weightsSha256(namedWeights(run.network, state.weights));
      assert.equal(state.weightsSha256, sha);
      digest = nextDigest(digest, state.step, record.samples, sha);
      assert.equal(state.digest, digest);
      assert.equal(record.digest, digest);
    }
  });

  it('tells the members which weights it starts from', async () => {
    const told: [number, string][] = [];
    let state = run.start();
    const started: string[] = [];
    for (let step = 0; step < 2; step++) {
      started.push(state.weightsSha256);
      const onReduce = (at: number, sha: string) => told.push([at, sha]);
      state = (await run.stepper.step(state, reducerIn(run, inOrder, { onReduce }))).state;
    }
    assert.deepEqual(
      told,
      started.map((sha, i) => [i + 1, sha]),
    );
  });

  it('records what it did', () => {
    const [first, second, third] = trained;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const sampler = createStepSampler(run.spec);
    for (const { record, losses, samples, phases, state } of [first, second, third]) {
      assert.deepEqual(record.samples, sampler.shards(record.step).flat().map(sampleId));
      assert.equal(samples, record.samples.length);
      assert.deepEqual(losses, { total: record.loss, ...record.heads });
      assert.deepEqual(Object.keys(record.heads), ['main', '1'].sort());
      // The total is the main loss and half the head's, each rounded to float32 in between.
      const sum = (record.heads['main'] ?? 0) + 0.5 * (record.heads['1'] ?? 0);
      assert.ok(Math.abs(record.loss - sum) <= 2 ** -22 * record.loss);
      assert.equal(phases.exchange, 0.25);
      assert.deepEqual(record.seconds, phases);
      assert.equal(state.weights.batches, record.step);
      assert.equal(state.optimizer.step, record.step);
    }
    assert.deepEqual(
      [first, second, third].map(({ record }) => [record.step, record.epoch, record.lr]),
      [
        [1, 1, 0.01],
        [2, 1, 0.01],
        [3, 2, 0.005],
      ],
    );
    assert.deepEqual(
      third.state.lossHistory,
      [first, second, third].map(({ record }) => record.loss),
    );
  });

  it('takes the samples that are left in the last batch of an epoch', () => {
    const [full, short] = trained;
    assert.deepEqual([full?.samples, short?.samples], [4, 1]);
    assert.ok(Number.isFinite(short?.record.loss) && short?.state.weights.parameters.every(Number.isFinite));
  });

  it('rounds the gradient when the wire does', async () => {
    const narrow = await run.stepper.step(run.start(), reducerIn(run, inOrder, { wire: 'bf16' }));
    const [wide] = trained;
    assert.equal(narrow.record.loss, wide?.record.loss);
    assert.notEqual(narrow.state.digest, wide?.state.digest);
  });

  for (const kind of ['reference', 'native'] as const) {
    it(`names shard and sample of what is not finite, and keeps the state (${kind})`, async function () {
      if (kind === 'native' && loadKernels() === undefined) {
        if (process.env['CI'] !== undefined) throw new Error('CI needs the addon');
        this.skip();
      }
      const poisoned = await openTinyRun({ kind, poisoned: 'b' });
      const { spec, network } = poisoned;
      const shards = createStepSampler(spec).shards(1);
      // The voxel lies in slice 5 of 7: which shard has it, and which sample.
      const bad = shards.findIndex((samples) =>
        samples.some(({ case: id, start }) => id === 'b' && start <= 5 && 5 < start + spec.slices),
      );
      assert.ok(bad >= 0, 'the first step has the sample');
      const state = poisoned.start();
      const kept = Buffer.from(encodeState(network, state));
      await assert.rejects(poisoned.stepper.step(state, reducerIn(poisoned, inOrder)), {
        code: 'NON_FINITE',
        details: { step: 1, shard: bad, samples: shards[bad]?.map(sampleId) },
        message: new RegExp(`shard ${String(bad)} .*b:`),
        hint: /learningRate.*clipNorm/,
      });
      assert.ok(kept.equals(encodeState(network, state)));
    });
  }
});
