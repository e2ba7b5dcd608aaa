import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import type { NamedTensor } from '@lvnet/safetensors';
import { memoryStore, type Store } from '@lvnet/store';
import {
  checkpointSteps,
  deleteCheckpoint,
  newestSchedule,
  readCheckpoint,
  readNewest,
  setAside,
  writeCheckpoint,
  type CheckpointState,
  type Provenance,
} from './checkpoint.js';
import { firstDigest, nextDigest, weightsSha256 } from './digest.js';
import { endLife, nextLife, readLives } from './lives.js';
import { referredSteps, referTo } from './references.js';
import { planRetention } from './retention.js';
import { readWeights } from './verified.js';
import { readSteps, storedSteps, writeSteps, type StepRecord } from './step-records.js';

const tensor = (name: string, ...values: number[]): NamedTensor => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});

const stateAt = (step: number): CheckpointState => ({
  step,
  epoch: 1,
  weights: [tensor('w', step, 2, 3)],
  optimizer: [tensor('w.exp_avg', 0, step)],
  digest: 'd'.repeat(63) + String(step % 10),
  sampler: { epoch: 1, position: step },
  lossHistory: [0.5],
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof Failure ? error.code : 'no failure';
}

describe('checkpoints', () => {
  let store: Store;
  beforeEach(() => {
    store = memoryStore();
  });

  it('come back as they were written', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    const { state, skipped } = await readCheckpoint(store, 'r');
    assert.deepEqual(skipped, []);
    assert.equal(state.step, 4);
    assert.deepEqual([...(state.weights[0]?.data as Float32Array)], [4, 2, 3]);
    assert.deepEqual([...(state.optimizer[0]?.data as Float32Array)], [0, 4]);
    assert.deepEqual(state.lossHistory, [0.5]);
  });

  it('give their weights alone, in a run or as a folder of their own', async () => {
    const data = { windowHu: [-200, 200], patch: [16, 32, 32] } satisfies Provenance['data'];
    await writeCheckpoint(store, 'r', stateAt(4), { network: { name: 'lv-net' }, data });
    const inRun = await readWeights(store, 'runs/r/checkpoints/4');
    assert.deepEqual([...(inRun.weights[0]?.data as Float32Array)], [4, 2, 3]);
    assert.deepEqual(inRun.manifest.data, data);
    for (const name of ['manifest.json', 'weights.safetensors']) {
      await store.put(name, await store.get(`runs/r/checkpoints/4/${name}`));
    }
    const alone = await readWeights(store, '');
    assert.deepEqual([...(alone.weights[0]?.data as Float32Array)], [4, 2, 3]);
    assert.equal(await codeOf(readWeights(store, 'runs/r/checkpoints/5')), 'CHECKPOINT_NOT_FOUND');
    await store.put('weights.safetensors', new Uint8Array(8));
    await assert.rejects(readWeights(store, ''), {
      code: 'CHECKPOINT_CORRUPT',
      message: /weights\.safetensors is damaged: it has 8 bytes instead of \d+/,
    });
  });

  it('do not exist without their manifest', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    await store.delete('runs/r/checkpoints/4/manifest.json');
    assert.deepEqual(await checkpointSteps(store, 'r'), []);
    assert.equal(await codeOf(readCheckpoint(store, 'r')), 'CHECKPOINT_NOT_FOUND');
  });

  const damages: [string, (key: string) => Promise<void>][] = [
    [
      'a flipped byte',
      async (key) => {
        const bytes = (await store.get(key)).slice();
        bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
        await store.put(key, bytes);
      },
    ],
    ['a truncated file', async (key) => store.put(key, (await store.get(key)).slice(0, -3))],
    ['a missing file', (key) => store.delete(key)],
  ];
  for (const [what, damage] of damages) {
    it(`fall back to the newest that verifies after ${what}, and say so`, async () => {
      await writeCheckpoint(store, 'r', stateAt(4));
      await writeCheckpoint(store, 'r', stateAt(12));
      await damage('runs/r/checkpoints/12/optimizer.safetensors');
      const { state, skipped } = await readCheckpoint(store, 'r');
      assert.equal(state.step, 4);
      assert.deepEqual(
        skipped.map((item) => item.step),
        [12],
      );
      assert.match(skipped[0]?.reason ?? '', /optimizer\.safetensors is damaged/);
      assert.equal(await codeOf(readCheckpoint(store, 'r', 12)), 'CHECKPOINT_CORRUPT');
    });
  }

  it('are not used with a manifest that is none', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    await store.put('runs/r/checkpoints/8/manifest.json', '{"step":');
    assert.equal((await readCheckpoint(store, 'r')).state.step, 4);
  });

  it('are set aside where they do not verify, and can be written again', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    await writeCheckpoint(store, 'r', stateAt(8));
    await setAside(store, 'r', 8);
    assert.deepEqual(await checkpointSteps(store, 'r'), [4, 8], 'it verifies');
    await store.put('runs/r/checkpoints/8/weights.safetensors', new Uint8Array(8));
    await setAside(store, 'r', 8);
    await setAside(store, 'r', 8); // as after a crash in between
    assert.deepEqual(await checkpointSteps(store, 'r'), [4]);
    assert.ok((await store.head('runs/r/checkpoints/8/manifest.damaged.json')) !== undefined);
    await writeCheckpoint(store, 'r', stateAt(8));
    assert.equal((await readCheckpoint(store, 'r')).state.step, 8);
    await deleteCheckpoint(store, 'r', 8);
    assert.equal(await store.head('runs/r/checkpoints/8/manifest.damaged.json'), undefined);
  });

  it('may all be damaged: then there is none, and all are named', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    await store.put('runs/r/checkpoints/4/weights.safetensors', new Uint8Array(8));
    const { state, skipped } = await readNewest(store, 'r');
    assert.equal(state, null);
    assert.deepEqual(
      skipped.map(({ step }) => step),
      [4],
    );
  });

  it('go manifest first', async () => {
    await writeCheckpoint(store, 'r', stateAt(4));
    await deleteCheckpoint(store, 'r', 4);
    const left: string[] = [];
    for await (const { key } of store.list('runs/r/checkpoints/')) left.push(key);
    assert.deepEqual(left, []);
  });
});

describe('stored steps', () => {
  it('are known from the names of the parts', async () => {
    const store = memoryStore();
    const record = (step: number): StepRecord => ({
      ...{ step, epoch: 1, loss: 1, heads: {}, lr: 1, digest: 'd', samples: [], seconds: {} },
    });
    await writeSteps(store, 'r', [1, 2, 3].map(record));
    await writeSteps(store, 'r', [7, 8].map(record));
    const isStored = await storedSteps(store, 'r');
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((step) => isStored(step)),
      [1, 2, 3, 7, 8],
    );
  });
});

describe('retention', () => {
  it('keeps the newest, never fewer than two, and what is referred to', () => {
    assert.deepEqual(planRetention([1, 2, 3, 4, 5], { keep: 3, referenced: [1] }), [2]);
    assert.deepEqual(planRetention([1, 2, 3], { keep: 1, referenced: [] }), [1]);
    assert.deepEqual(planRetention([7], { keep: 1, referenced: [] }), []);
  });

  it('keeps what a step of another run can be done again from', () => {
    const rows: [number[], number[]][] = [
      [[30], [10, 20, 40]],
      [[39], [10, 20, 40]],
      [[5], [10, 20, 30, 40]],
      [
        [10, 41],
        [20, 30],
      ],
      [[60], [10, 20, 30, 40]],
    ];
    for (const [replayed, gone] of rows) {
      assert.deepEqual(planRetention([10, 20, 30, 40, 50, 60], { keep: 2, referenced: [], replayed }), gone);
    }
  });

  it('knows who refers to a run', async () => {
    const store = memoryStore();
    await referTo(store, 'r', 40, 'fork-1');
    await referTo(store, 'r', 40, 'fork-2');
    await referTo(store, 'r', 7, 'fork-3');
    await referTo(store, 'other', 3, 'fork-4');
    assert.deepEqual(await referredSteps(store, 'r'), [7, 40]);
  });
});

describe('digest chain', () => {
  it('depends on every link', () => {
    const sha = weightsSha256([tensor('w', 1)]);
    const start = firstDigest(sha);
    const digest = nextDigest(start, 1, ['a:0', 'b:16'], sha);
    assert.match(digest, /^[0-9a-f]{64}$/);
    assert.equal(digest, nextDigest(start, 1, ['a:0', 'b:16'], sha));
    const others = [
      nextDigest(digest, 1, ['a:0', 'b:16'], sha),
      nextDigest(start, 2, ['a:0', 'b:16'], sha),
      nextDigest(start, 1, ['b:16', 'a:0'], sha),
      nextDigest(start, 1, ['a:0', 'b:16'], weightsSha256([tensor('w', 2)])),
    ];
    assert.ok(others.every((other) => other !== digest));
  });
});

describe('the schedule of checkpoints', () => {
  const schedule = {
    ...{ nextStep: 50, costSeconds: 0.1, writeSeconds: 1, stepSeconds: 2 },
    meanSecondsBetweenFailures: 100,
  };

  it('is what the newest one says, decided once its files are there', async () => {
    const store = memoryStore();
    assert.equal(await newestSchedule(store, 'r'), undefined);
    await writeCheckpoint(store, 'r', stateAt(4), {}, { schedule: () => schedule });
    assert.deepEqual(await newestSchedule(store, 'r'), { step: 4, nextStep: 50 });
    let [putCount, putsBefore] = [0, -1];
    const watched: Store = {
      ...store,
      put: (key, body, o) => {
        putCount++;
        return store.put(key, body, o);
      },
    };
    const decide = () => {
      putsBefore = putCount;
      return { ...schedule, nextStep: 70 };
    };
    await writeCheckpoint(watched, 'r', stateAt(12), {}, { schedule: decide });
    assert.deepEqual([putsBefore, putCount], [2, 3], 'weights, optimiser; manifest');
    assert.deepEqual(await newestSchedule(store, 'r'), { step: 12, nextStep: 70 });
  });

  it('is open where the newest says nothing, or cannot be read', async () => {
    const store = memoryStore();
    await writeCheckpoint(store, 'r', stateAt(4));
    assert.deepEqual(await newestSchedule(store, 'r'), { step: 4, nextStep: null });
    await store.put('runs/r/checkpoints/8/manifest.json', '{"step":');
    assert.deepEqual(await newestSchedule(store, 'r'), { step: 8, nextStep: null });
  });
});

describe('lives', () => {
  it('say when they began and whether they were left', async () => {
    const store = memoryStore();
    const fromMs = Date.now() - 1;
    for (const life of [await nextLife(store, 'r'), await nextLife(store, 'r')]) {
      if (life === 2) await endLife(store, 'r', life);
    }
    assert.equal(await nextLife(store, 'r'), 3, 'a life that was left is a life');
    const lives = await readLives(store, 'r');
    assert.deepEqual(
      lives.map(({ startedMs, leftMs }) => [startedMs >= fromMs, (leftMs ?? 0) >= fromMs]),
      [
        [true, false],
        [true, true],
        [true, false],
      ],
    );
  });

  it('count up, each number given once', async () => {
    const store = memoryStore();
    const lives = await Promise.all(Array.from({ length: 5 }, () => nextLife(store, 'r')));
    assert.deepEqual([...lives].sort(), [1, 2, 3, 4, 5]);
    assert.equal(await nextLife(store, 'r'), 6);
  });
});

describe('step log', () => {
  const record = (step: number, digest = String(step)): StepRecord => ({
    step,
    epoch: 1,
    loss: 1,
    heads: { main: 1 },
    lr: 0.1,
    digest,
    samples: ['a:0'],
    seconds: { data: 0 },
  });

  it('drops steps that were done again', async () => {
    const store = memoryStore();
    await writeSteps(store, 'r', [record(1), record(2), record(3)]);
    await writeSteps(store, 'r', [record(3), record(4)]);
    await writeSteps(store, 'r', []);
    assert.deepEqual(
      (await readSteps(store, 'r')).map((item) => item.step),
      [1, 2, 3, 4],
    );
  });

  it('refuses a step with two results', async () => {
    const store = memoryStore();
    await writeSteps(store, 'r', [record(1)]);
    await writeSteps(store, 'r', [record(1, 'other'), record(2)]);
    assert.equal(await codeOf(readSteps(store, 'r')), 'DIGEST_MISMATCH');
  });
});
