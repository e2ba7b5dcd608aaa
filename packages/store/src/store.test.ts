import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { memoryStore } from './memory-store.js';
import { openStore } from './open.js';
import { asStoreFailure } from './s3-failure.js';
import { rejectsWith, storeContract } from './store-contract.fixture.js';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lvnet-store-'));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

const url = (name: string): string => pathToFileURL(join(folder, name)).href;

storeContract('memory', () => Promise.resolve(memoryStore()), { races: true });
storeContract('directory', () => openStore(url('contract')), { races: true });

describe('directory store', () => {
  it('leaves no half-written file behind and lists none', async () => {
    const store = await openStore(url('whole'));
    await store.put('a/x', 'x', { ifAbsent: true });
    await rejectsWith('STORE_CONFLICT', store.put('a/x', 'y', { ifAbsent: true }));
    await writeFile(join(folder, 'whole', 'a', 'y.unfinished-0123'), 'half');
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    assert.deepEqual(keys, ['a/x']);
    assert.deepEqual((await readdir(join(folder, 'whole', 'a'))).sort(), ['x', 'y.unfinished-0123']);
  });

  it('appends to joined logs', async () => {
    const store = await openStore(url('log'));
    await store.append?.('l.jsonl', 'a\n');
    await store.append?.('l.jsonl', 'b\n');
    assert.equal(new TextDecoder().decode(await store.get('l.jsonl')), 'a\nb\n');
  });

  it('says what is wrong with the folder', async () => {
    await writeFile(join(folder, 'file'), '');
    const failure = await rejectsWith('STORE_UNREACHABLE', openStore(url('file')));
    assert.match(failure.message, /file/);
  });

  it('refuses other addresses', async () => {
    for (const bad of ['', '/tmp/x', 'http://x/y', 's3:/x', 's3://UPPER/x']) {
      await rejectsWith('STORE_INVALID', openStore(bad));
    }
  });
});

describe('S3 errors in our terms', () => {
  const cases = [
    [{ name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } }, 'STORE_NOT_FOUND'],
    [{ name: 'NoSuchBucket', $metadata: { httpStatusCode: 404 } }, 'STORE_INVALID'],
    [{ name: 'SignatureDoesNotMatch', $metadata: { httpStatusCode: 403 } }, 'STORE_DENIED'],
    [{ name: 'XAdminUserNotFound', $metadata: { httpStatusCode: 404 } }, 'STORE_DENIED'],
    [{ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }, 'STORE_CONFLICT'],
    [{ name: 'InsufficientStorage', $metadata: { httpStatusCode: 507 } }, 'STORE_FULL'],
    [{ name: 'InternalError', $metadata: { httpStatusCode: 500 } }, 'STORE_UNREACHABLE'],
    [new Error('connect ECONNREFUSED'), 'STORE_UNREACHABLE'],
  ] as const;
  for (const [error, code] of cases) {
    it(`${error.name} becomes ${code}`, () => {
      const failure = asStoreFailure(error, 's3://b', 'k');
      assert.equal(failure.code, code);
      if (code !== 'STORE_CONFLICT') assert.notEqual(failure.hint, '');
    });
  }
});
