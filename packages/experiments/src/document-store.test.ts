import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { memoryStore, type Store } from '@lvnet/store';
import { documentIds, putDocument, readJson, readJsonIfThere } from './document-store.js';
import { runKeys } from './documents.js';

describe('documents in the store', () => {
  it('come back as they were put, in readable lines', async () => {
    const store = memoryStore();
    const value = { version: 1, list: [1, { a: null }], text: 'ä' };
    assert.equal(await putDocument(store, 'runs/a/run.json', value), true);
    assert.deepEqual(await readJson(store, 'runs/a/run.json'), value);
    assert.equal(
      new TextDecoder().decode(await store.get('runs/a/run.json')),
      `${JSON.stringify(value, null, 1)}\n`,
    );
  });

  it('are written once: the first stays', async () => {
    const store = memoryStore();
    await putDocument(store, 'k', { first: true });
    assert.equal(await putDocument(store, 'k', { first: false }), false);
    assert.deepEqual(await readJson(store, 'k'), { first: true });
  });

  it('have one writer of many that race', async () => {
    const store = memoryStore();
    // All of them look before any of them writes.
    let looking = 0;
    let allLooked: () => void = () => undefined;
    const looked = new Promise<void>((resolve) => (allLooked = resolve));
    const slow: Store = {
      ...store,
      head: async (key) => {
        const found = await store.head(key);
        if (++looking === 5) allLooked();
        await looked;
        return found;
      },
    };
    const wins = await Promise.all([0, 1, 2, 3, 4].map((writer) => putDocument(slow, 'k', { writer })));
    assert.equal(wins.filter(Boolean).length, 1);
    assert.deepEqual(await readJson(store, 'k'), { writer: wins.indexOf(true) });
  });

  it('pass other failures of the store on', async () => {
    const full = new Failure('STORE_FULL', {}, { message: 'full' });
    const store: Store = { ...memoryStore(), put: () => Promise.reject(full) };
    await assert.rejects(putDocument(store, 'k', {}), full);
  });

  it('may be absent', async () => {
    const store = memoryStore();
    assert.equal(await readJsonIfThere(store, 'k'), null);
    await assert.rejects(readJson(store, 'k'), { code: 'STORE_NOT_FOUND' });
    await putDocument(store, 'k', 0);
    assert.equal(await readJsonIfThere(store, 'k'), 0);
  });

  it('are refused when they are no JSON, by their key', async () => {
    const store = memoryStore();
    await store.put('runs/a/run.json', '{"version": 1,');
    await assert.rejects(readJson(store, 'runs/a/run.json'), {
      code: 'STORE_INVALID',
      message: /runs\/a\/run\.json in the store is not JSON/,
      details: { key: 'runs/a/run.json' },
    });
  });

  it('tell which runs and sweeps there are', async () => {
    const store = memoryStore();
    const keys = ['runs/b/run.json', 'runs/a/run.json', 'runs/a/plan.json', 'runs/c/plan.json'];
    const deeper = ['runs/d/copy/run.json', 'runs/e/run.json/part', 'sweeps/s/sweep.json', 'run.json'];
    for (const key of [...keys, ...deeper]) await store.put(key, '{}');
    assert.deepEqual(await documentIds(store, 'runs/', 'run.json'), ['a', 'b']);
    assert.deepEqual(await documentIds(store, 'sweeps/', 'sweep.json'), ['s']);
  });

  it('lie where the contract says', () => {
    assert.equal(runKeys.document('r'), 'runs/r/run.json');
    assert.equal(runKeys.report('r'), 'runs/r/report/report.json');
    assert.equal(runKeys.sweep('s'), 'sweeps/s/sweep.json');
    assert.equal(runKeys.sweepTrials('s'), 'sweeps/s/trials.jsonl');
    assert.equal(runKeys.caseResult('r', 40, 'test', 'c1'), 'runs/r/validation/40/test-c1.json');
  });
});
