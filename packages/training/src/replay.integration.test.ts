import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { readCheckpoint, readSteps } from '@lvnet/checkpoints';
import { openEngine, type Engine } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';
import { buildNetwork } from '@lvnet/networks';
import { preparePhantomRun, trainAlone, type PhantomRun } from './phantom-run.fixture.js';
import { replaySteps } from './replay.js';
import { encodeState, fromCheckpoint, type TrainingState } from './state.js';

describe('steps done again, on phantoms in a directory store', function () {
  this.timeout(60_000);
  let run: PhantomRun;
  let engine: Engine;
  before(async () => {
    run = await preparePhantomRun();
    const kind = loadKernels() === undefined ? 'reference' : 'native';
    engine = await openEngine({ kind, threads: 2 });
  });
  after(async () => {
    await run[Symbol.asyncDispose]();
  });

  const bytesOf = (state: TrainingState) => Buffer.from(encodeState(buildNetwork(run.spec.network), state));
  const replay = (fromStep: number, toStep: number, wire: 'float32' | 'bf16' = 'float32') => {
    const { spec, store } = run;
    return replaySteps({ spec, wire, engine, store, fromStep, toStep });
  };

  const train = (toStep: number, checkpoints: readonly number[]) =>
    trainAlone(run, engine, { toStep, checkpoints });

  it('give the bytes of the training, from the start and from every checkpoint', async () => {
    const last = run.spec.stepsTotal;
    const trained = await train(last, [2, 4, last]);
    assert.ok(last >= 8, `${String(last)} steps`);
    for (const from of [0, 2, 4]) {
      const again = await replay(from, last);
      assert.equal(again.digest, trained.digest, `from step ${String(from)}`);
      assert.ok(bytesOf(again).equals(bytesOf(trained)), `from step ${String(from)}`);
    }
    const { state } = await readCheckpoint(run.store, run.spec.run);
    assert.ok(bytesOf(fromCheckpoint(buildNetwork(run.spec.network), state)).equals(bytesOf(trained)));
  });

  it('are in the log with their digests, those done twice once', async () => {
    await train(4, [1, 3]); // a life that starts again, over the same steps
    const records = await readSteps(run.store, run.spec.run);
    assert.deepEqual(
      records.map(({ step }) => step),
      Array.from({ length: run.spec.stepsTotal }, (_, i) => i + 1),
    );
    for (const step of [1, 5]) assert.equal(records[step - 1]?.digest, (await replay(0, step)).digest);
  });

  it('go on from the newest sound checkpoint when the newest is damaged', async () => {
    const path = run.store.localPath(
      `runs/${run.spec.run}/checkpoints/${String(run.spec.stepsTotal)}/optimizer.safetensors`,
    );
    assert.ok(path !== undefined);
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    const { state, skipped } = await readCheckpoint(run.store, run.spec.run);
    assert.deepEqual([state.step, skipped.map(({ step }) => step)], [4, [run.spec.stepsTotal]]);
    assert.equal((await replay(state.step, 6)).digest, (await replay(0, 6)).digest);
  });

  it('do not depend on threads or, but for the wire, on anything else', async () => {
    const [two, narrow] = [await replay(0, 3), await replay(0, 3, 'bf16')];
    engine.setThreads(1);
    assert.equal((await replay(0, 3)).digest, two.digest);
    assert.equal((await replay(0, 3, 'bf16')).digest, narrow.digest);
    assert.notEqual(narrow.digest, two.digest);
  });

  it('stop where a case is not what the plan says', async () => {
    const [first] = run.spec.cases;
    const path = run.store.localPath(`cases/${first?.prepared ?? ''}.safetensors`);
    assert.ok(path !== undefined);
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    await assert.rejects(replay(0, run.spec.stepsPerEpoch), {
      code: 'CASE_CORRUPT',
      message: /its SHA-256 is/,
    });
  });
});
