import assert from 'node:assert/strict';
import { memoryStore, type Store } from '@lvnet/store';
import { readRunEvents, recordRunEvent, type RunEvent } from './run-events.js';

const event = (text: string): RunEvent => ({ at: '2025-01-01T00:00:00.000Z', state: 'running', text });
const textsOf = async (store: Store, run = 'r') => (await readRunEvents(store, run)).map(({ text }) => text);

describe('events of a run', () => {
  it('come in the order of leaders, then of counts, whoever wrote first', async () => {
    const store = memoryStore();
    const [early, late] = [999, 1_700_000_000_000];
    for (const [leader, count] of [
      [late, 2],
      [early, 10],
      [late, 1],
      [early, 9],
      [late, 100_000],
    ] as const) {
      await recordRunEvent(store, 'r', { leader, count }, event(`${String(leader)} ${String(count)}`));
    }
    const expected = [`${String(early)} 9`, `${String(early)} 10`, `${String(late)} 1`, `${String(late)} 2`];
    assert.deepEqual(await textsOf(store), [...expected, `${String(late)} 100000`]);
  });

  it('belong to their run', async () => {
    const store = memoryStore();
    await recordRunEvent(store, 'r', { leader: 1, count: 1 }, event('mine'));
    await recordRunEvent(store, 'r2', { leader: 1, count: 1 }, event('other'));
    assert.deepEqual(await textsOf(store), ['mine']);
    assert.deepEqual(await textsOf(store, 'none'), []);
  });

  it('are parts that are never changed, named by leader and count', async () => {
    const store = memoryStore();
    await recordRunEvent(store, 'r', { leader: 1_700_000_000_000, count: 7 }, event('line\nbreak'));
    const keys: string[] = [];
    for await (const { key } of store.list('runs/r/')) keys.push(key);
    assert.deepEqual(keys, ['runs/r/events/1700000000000-000007.jsonl']);
    assert.deepEqual(await readRunEvents(store, 'r'), [event('line\nbreak')]);
  });

  it('are also joined where the store can append', async () => {
    const joined: [string, string][] = [];
    const store: Store = {
      ...memoryStore(),
      append: (key, text) => {
        joined.push([key, text]);
        return Promise.resolve();
      },
    };
    await recordRunEvent(store, 'r', { leader: 1, count: 1 }, event('one'));
    assert.deepEqual(joined, [['runs/r/events.jsonl', `${JSON.stringify(event('one'))}\n`]]);
  });

  it('are refused when they are no JSON, by their key', async () => {
    const store = memoryStore();
    await store.put('runs/r/events/0000000000001-000001.jsonl', '{"at":');
    await assert.rejects(readRunEvents(store, 'r'), {
      code: 'STORE_INVALID',
      message: /runs\/r\/events\/0000000000001-000001\.jsonl in the store is not JSON/,
    });
  });
});
