import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nextDigest, writeCheckpoint, type StepRecord } from '@lvnet/checkpoints';
import { openEngine, type Engine } from '@lvnet/engine';
import { loadKernels } from '@lvnet/kernels';
import { buildNetwork } from '@lvnet/networks';
import { preparePhantomRun, trainAlone, type PhantomRun } from '../phantom-run.fixture.js';
import { replaySteps } from '../replay.js';
import { namedWeights, toCheckpoint, type TrainingState } from '../state.js';
import { readBooks, type Books, type RunPast } from './books.js';
import { drawSteps, recomputeSteps } from './recompute.js';
import { stateAfter } from './state-after.js';

const written = [2, 4, 7]; // the steps with checkpoints

describe('the proof of a run on phantoms', function () {
  this.timeout(60_000);
  let run: PhantomRun;
  let engine: Engine;
  let trained: TrainingState;
  before(async () => {
    engine = await openEngine({ kind: loadKernels() === undefined ? 'reference' : 'native', threads: 2 });
  });
  beforeEach(async () => {
    run = await preparePhantomRun();
    trained = await trainAlone(run, engine, { toStep: 7, checkpoints: written });
  });
  afterEach(async () => {
    await run[Symbol.asyncDispose]();
  });

  const past = (over: Partial<RunPast> = {}): RunPast => {
    const { step, digest } = trained;
    return { spec: run.spec, finished: { step, digest }, ...over };
  };
  const stepsFolder = () => join(run.folder, 'store', 'runs', run.spec.run, 'steps');
  const checkpoint = (step: number, name: string) =>
    join(run.folder, 'store', 'runs', run.spec.run, 'checkpoints', String(step), name);
  const problemsOf = ({ problems }: Books) =>
    problems.map(({ step, message }) => `${String(step)}: ${message}`);
  const recompute = (books: Books, steps: readonly number[]) =>
    recomputeSteps({ spec: run.spec, wire: 'float32', engine, store: run.store, books, steps });

  /** Rewrites the whole step log; null takes a record away. */
  async function rewriteSteps(change: (record: StepRecord) => StepRecord | null): Promise<void> {
    for (const name of await readdir(stepsFolder())) {
      const file = join(stepsFolder(), name);
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      const records = lines.flatMap((line) => change(JSON.parse(line) as StepRecord) ?? []);
      await writeFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
  }

  it('holds, and every step comes out again', async () => {
    const books = await readBooks(run.store, past());
    assert.deepEqual(problemsOf(books), []);
    assert.deepEqual([books.startStep, books.lastStep, books.soundSteps], [0, 7, [0, ...written]]);
    const results = await recompute(books, drawSteps(books, 99, 1));
    const bases = results.map(({ step, fromStep, holds }) => [step, fromStep, holds]);
    assert.deepEqual(bases, [
      ...[1, 2].map((step) => [step, 0, true]),
      ...[3, 4].map((step) => [step, 2, true]),
      ...[5, 6, 7].map((step) => [step, 4, true]),
    ]);
  });

  it('draws the same steps for the same seed, no more than there are', async () => {
    const books = await readBooks(run.store, past());
    const draws = [1, 2, 3, 4, 5].map((seed) => drawSteps(books, 3, seed).join());
    assert.equal(drawSteps(books, 3, 4).join(), draws[3]);
    assert.ok(new Set(draws).size > 1, draws.join(' '));
    assert.deepEqual([drawSteps(books, 0, 1), drawSteps(books, 99, 1).length], [[], 7]);
  });

  it('names an altered record', async () => {
    await rewriteSteps((record) =>
      record.step === 3 ? { ...record, samples: record.samples.slice(1) } : record,
    );
    const [chain, ledger, ...more] = problemsOf(await readBooks(run.store, past()));
    assert.equal(chain, '3: its record does not give its digest: it was altered');
    assert.match(ledger ?? '', /^null: epoch 1: never used: /);
    assert.deepEqual(more, []);
  });

  it('names a record whose numbers were made nicer', async () => {
    await rewriteSteps((record) => (record.step === 6 ? { ...record, loss: 0.1, lr: 1, epoch: 9 } : record));
    const books = await readBooks(run.store, past());
    assert.deepEqual(problemsOf(books), [
      '6: its record has another loss than checkpoint 7 remembers',
      '6: its record says epoch 9, it is 2',
      '6: its record says learning rate 1, it was 0.005',
    ]);
    const [result] = await recompute(books, [6]);
    assert.deepEqual([result?.holds, result?.message], [false, 'the record has another loss, lr']);
  });

  it('names a record that is gone, and a line that is none', async () => {
    await rewriteSteps((record) => (record.step === 5 ? null : record));
    const [name = ''] = (await readdir(stepsFolder())).sort();
    await writeFile(
      join(stepsFolder(), name),
      `${await readFile(join(stepsFolder(), name), 'utf8')}{"step":\n`,
    );
    const problems = problemsOf(await readBooks(run.store, past()));
    assert.match(problems[0] ?? '', /^null: runs\/tiny\/steps\/\S+ line 3: is no record$/);
    assert.equal(problems[1], '5: has no record');
    assert.match(problems[2] ?? '', /^null: epoch 2: never used: /);
  });

  describe('reads the joined log too, and', () => {
    const joined = () => join(run.folder, 'store', 'runs', run.spec.run, 'steps.jsonl');
    const rewriteLine = async (line: number, change: (text: string) => string) => {
      const lines = (await readFile(joined(), 'utf8')).split('\n');
      await writeFile(joined(), lines.map((text, i) => (i + 1 === line ? change(text) : text)).join('\n'));
    };
    const other = (change: Partial<StepRecord>) => (text: string) =>
      JSON.stringify({ ...(JSON.parse(text) as StepRecord), ...change });

    for (const [what, change, found] of [
      ['a line that is none', () => '{"step":', /^null: runs\/tiny\/steps\.jsonl line 3: is no record$/],
      [
        'another digest',
        other({ digest: 'x' }),
        /^3: \S+ line 3: has another digest than the step's record$/,
      ],
      [
        'other weights',
        other({ weights: 'x' }),
        /^3: \S+ line 3: has another weights than the step's record$/,
      ],
    ] as const) {
      it(`names ${what}, and only the first line`, async () => {
        await rewriteLine(3, change);
        await rewriteLine(5, change);
        const [problem = '', ...more] = problemsOf(await readBooks(run.store, past()));
        assert.match(problem, found);
        assert.deepEqual(more, []);
      });
    }

    it('says that it is missing where the store could have it', async () => {
      const withoutAppend = { ...run.store };
      delete withoutAppend.append;
      for (const isEmpty of [true, false]) {
        if (isEmpty) await writeFile(joined(), '');
        else await rm(joined());
        const problems = problemsOf(await readBooks(run.store, past()));
        assert.deepEqual(problems, ['null: runs/tiny/steps.jsonl is missing, the joined log of steps']);
        assert.deepEqual(problemsOf(await readBooks(withoutAppend, past())), []);
      }
    });

    it('lets pass what is just being written, and steps that were done again', async () => {
      const text = await readFile(joined(), 'utf8');
      const again = text.split('\n').slice(0, 2).join('\n');
      await writeFile(joined(), `${text}${again}\n{"step":8,`);
      assert.deepEqual(problemsOf(await readBooks(run.store, past({ finished: null }))), []);
      const [problem] = problemsOf(await readBooks(run.store, past()));
      assert.match(problem ?? '', /line 10: is no record$/);
    });
  });

  it('names a doubled sample even where every digest was forged to fit', async () => {
    let digest = '';
    let doubled = '';
    await rewriteSteps((record) => {
      const [first = '', ...rest] = record.samples;
      const samples = record.step === 3 ? [first, first, ...rest.slice(1)] : record.samples;
      if (record.step === 3) doubled = first;
      digest =
        record.step < 3 ? record.digest : nextDigest(digest, record.step, samples, record.weights ?? '');
      return { ...record, samples, digest };
    });
    for (const step of [4, 7]) await rm(checkpoint(step, 'manifest.json'));
    const books = await readBooks(run.store, past({ finished: null }));
    assert.match(problemsOf(books).join('\n'), new RegExp(`epoch 1: used more than once: ${doubled}$`, 'm'));
    assert.ok(!problemsOf(books).some((text) => text.includes('altered')), 'the chain itself holds');
    const [result] = await recompute(books, [3]);
    assert.equal(result?.message, 'the record has another digest, samples');
  });

  it('names the tensor of a swapped weight whose manifest was made to fit', async () => {
    const network = buildNetwork(run.spec.network);
    const state = await stateAfter({ ...{ spec: run.spec, wire: 'float32', store: run.store }, ...at(4) });
    const victim = namedWeights(network, state.weights).filter(({ dtype }) => dtype === 'F32')[5];
    assert.ok(victim?.data instanceof Float32Array);
    victim.data[0] = (victim.data[0] ?? 0) + 1;
    await writeCheckpoint(run.store, run.spec.run, toCheckpoint(network, state, run.spec.stepsPerEpoch));
    const books = await readBooks(run.store, past());
    assert.deepEqual(problemsOf(books), ['4: its checkpoint holds other weights than the step led to']);
    assert.deepEqual(books.soundSteps, [0, 2, 7]);
    const results = await recompute(books, drawSteps(books, 1, 1));
    const found = results.find(({ step }) => step === 4);
    assert.deepEqual(
      [found?.fromStep, found?.message, found?.tensor],
      [2, 'the checkpoint has another weights.safetensors', victim.name],
    );
    assert.deepEqual(await recompute(books, [5]), [
      { step: 5, fromStep: 2, holds: true, message: null, tensor: null },
    ]);
  });

  it('finds an optimiser that was swapped by doing steps again', async () => {
    const network = buildNetwork(run.spec.network);
    const state = await stateAfter({ ...{ spec: run.spec, wire: 'float32', store: run.store }, ...at(4) });
    state.optimizer.m.fill(0);
    await writeCheckpoint(run.store, run.spec.run, toCheckpoint(network, state, run.spec.stepsPerEpoch));
    const books = await readBooks(run.store, past());
    assert.deepEqual(problemsOf(books), [], 'no digest covers the optimiser');
    const [at4, at5] = await recompute(books, [4, 5]);
    assert.equal(at4?.message, 'the checkpoint has another optimizer.safetensors');
    assert.match(at5?.message ?? '', /^the record has another weights, digest/);
  });

  it('names a damaged checkpoint and does steps again from the one before', async () => {
    const file = checkpoint(4, 'weights.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    const books = await readBooks(run.store, past());
    assert.match(problemsOf(books).join('\n'), /^4: .*weights\.safetensors is damaged: its SHA-256/);
    const [result] = await recompute(books, [6]);
    assert.deepEqual([result?.fromStep, result?.holds], [2, true]);
  });

  it('says why a step cannot be done again', async () => {
    const books = await readBooks(run.store, past());
    const prepared = run.spec.cases.map((item) =>
      join(run.folder, 'store', `cases/${item.prepared}.safetensors`),
    );
    for (const path of prepared) {
      const bytes = await readFile(path);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(path, bytes);
    }
    const [result] = await recompute(books, [3]);
    assert.equal(result?.holds, false);
    assert.match(result.message ?? '', /its SHA-256 is/);
  });

  it('stops between two steps when it is told to', async () => {
    const books = await readBooks(run.store, past());
    const stop = new AbortController();
    const seen: number[] = [];
    const work = recomputeSteps({
      ...{
        spec: run.spec,
        wire: 'float32',
        engine,
        store: run.store,
        books,
        steps: [2],
        signal: stop.signal,
      },
      onProgress: (step) => {
        seen.push(step);
        stop.abort();
      },
    });
    await assert.rejects(work, { code: 'CANCELLED' });
    assert.deepEqual(seen, [1]);
  });

  it('holds for a fork at any step, which gives the bytes of its parent', async () => {
    const from = await stateAfter({ ...{ spec: run.spec, wire: 'float32', store: run.store }, ...at(3) });
    const spec = { ...run.spec, run: 'fork', start: { step: 3, digest: from.digest } };
    const forked = { spec, startWeights: from.weightsSha256, finished: null };
    const network = buildNetwork(spec.network);
    await writeCheckpoint(run.store, spec.run, toCheckpoint(network, from, spec.stepsPerEpoch));
    const end = await trainAlone({ spec, store: run.store }, engine, { toStep: 7, checkpoints: [7], from });
    assert.equal(end.digest, trained.digest);
    const books = await readBooks(run.store, { ...forked, finished: { step: 7, digest: end.digest } });
    assert.deepEqual(problemsOf(books), []);
    assert.deepEqual([books.startStep, books.lastStep, books.soundSteps], [3, 7, [3, 7]]);
    assert.deepEqual(
      books.records.map(({ step }) => step),
      [4, 5, 6, 7],
    );
    const results = await recomputeSteps({
      ...{ spec, wire: 'float32', engine, store: run.store, books, steps: drawSteps(books, 9, 1) },
    });
    assert.deepEqual(
      results.map(({ step, fromStep, holds }) => [step, fromStep, holds]),
      [4, 5, 6, 7].map((step) => [step, 3, true]),
    );
    const other = { ...forked, startWeights: trained.weightsSha256 };
    assert.deepEqual(problemsOf(await readBooks(run.store, other)), [
      '3: its checkpoint holds other weights than the step led to',
    ]);
    await rm(join(run.folder, 'store', 'runs', 'fork', 'checkpoints', '3', 'manifest.json'));
    assert.deepEqual(problemsOf(await readBooks(run.store, forked)), [
      '3: the checkpoint that the run started from is gone',
    ]);
    const replay = { spec, wire: 'float32', engine, store: run.store, fromStep: 3, toStep: 4 } as const;
    await assert.rejects(replaySteps(replay), { code: 'START_LOST' });
  });

  const at = (step: number) => ({ step, engine: () => Promise.resolve(engine) });
});
