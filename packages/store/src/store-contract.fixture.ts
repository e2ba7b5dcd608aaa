import assert from 'node:assert/strict';
import { Failure, type FailureCode } from '@lvnet/core';
import type { Store } from './store.js';

export async function rejectsWith(code: FailureCode, work: Promise<unknown>): Promise<Failure> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code);
  return error;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** What every store promises. `races` is false where the server ignores conditions. */
export function storeContract(name: string, open: () => Promise<Store>, o: { races: boolean }): void {
  describe(`store contract: ${name}`, () => {
    let store: Store;
    before(async () => {
      store = await open();
    });
    after(async () => {
      await store.close();
    });

    it('gives back what was put, replaces it, and says its size', async () => {
      await store.put('a/one', 'first');
      await store.put('a/one', Uint8Array.of(1, 2, 255));
      assert.deepEqual([...(await store.get('a/one'))], [1, 2, 255]);
      assert.deepEqual(await store.head('a/one'), { sizeBytes: 3 });
    });

    it('keeps an empty object', async () => {
      await store.put('a/empty', '');
      assert.equal((await store.get('a/empty')).byteLength, 0);
    });

    it('says that a key is not there', async () => {
      const failure = await rejectsWith('STORE_NOT_FOUND', store.get('a/nothing'));
      assert.match(failure.message, /a\/nothing/);
      assert.equal(await store.head('a/nothing'), undefined);
      assert.equal(await store.head('a'), undefined);
    });

    it('lists by prefix in key order, across pages', async () => {
      for (const key of ['l/c', 'l/a', 'l/b/x', 'l/b/y', 'l/d', 'm/z']) await store.put(key, key);
      assert.deepEqual(await keysOf(store, 'l/'), ['l/a', 'l/b/x', 'l/b/y', 'l/c', 'l/d']);
      assert.deepEqual(await keysOf(store, 'l/b/'), ['l/b/x', 'l/b/y']);
      assert.deepEqual(await keysOf(store, 'nowhere/'), []);
    });

    it('deletes, and does not mind deleting nothing', async () => {
      await store.put('d/x', 'x');
      await store.delete('d/x');
      await store.delete('d/x');
      assert.equal(await store.head('d/x'), undefined);
    });

    it('refuses to overwrite with ifAbsent', async () => {
      await store.put('i/x', 'first', { ifAbsent: true });
      await rejectsWith('STORE_CONFLICT', store.put('i/x', 'second', { ifAbsent: true }));
      assert.equal(text(await store.get('i/x')), 'first');
    });

    if (o.races) {
      it('lets one of many racing writers win', async () => {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 12 }, (_, i) => store.put('r/x', String(i), { ifAbsent: true })),
        );
        const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
        assert.equal(winners.length, 1);
        assert.equal(text(await store.get('r/x')), String(winners[0]));
      });
    }

    it('refuses keys that are no names', async () => {
      for (const key of ['', '/a', 'a//b', '../a', 'a/../../b', 'a/', 'a\nb', 'x'.repeat(1_001)]) {
        await rejectsWith('STORE_INVALID', store.put(key, 'x'));
      }
    });

    it('writes within a byte budget', async () => {
      const body = Uint8Array.from({ length: 768 * 1024 }, (_, i) => i % 253);
      const startMs = performance.now();
      await store.put('p/x', body, { bytesPerSecond: 4 * 2 ** 20 });
      const ms = performance.now() - startMs;
      // All but the last piece of 128 KiB must have had their time.
      assert.ok(ms >= 155, `${ms.toFixed(0)} ms for ${String(body.byteLength)} bytes`);
      assert.ok(Buffer.from(body).equals(await store.get('p/x')));
    });

    it('keeps a large object', async () => {
      const body = new Uint8Array(21 * 2 ** 20);
      for (let i = 0; i < body.length; i += 4_096) body[i] = i / 4_096;
      await store.put('big/x', body);
      assert.ok(Buffer.from(body).equals(await store.get('big/x')));
    });
  });
}
