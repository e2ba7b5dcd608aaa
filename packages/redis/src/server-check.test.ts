import assert from 'node:assert/strict';
import { checkServer, readServerInfo } from './server-check.js';

describe('readServerInfo', () => {
  it('reads a Redis', () => {
    const info = '# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n';
    assert.deepEqual(readServerInfo(info), {
      version: '7.0.15',
      kind: 'redis',
      maxMemoryPolicy: 'noeviction',
    });
  });
  it('reads a Valkey, which also reports the Redis version it speaks', () => {
    const info = 'redis_version:7.2.4\nvalkey_version:9.1.2\nmaxmemory_policy:allkeys-lru\n';
    assert.deepEqual(readServerInfo(info), {
      version: '9.1.2',
      kind: 'valkey',
      maxMemoryPolicy: 'allkeys-lru',
    });
  });
});

describe('checkServer', () => {
  const says = (info: string) => ({ info: () => Promise.resolve(info) });

  it('refuses a server that is too old, and says which one and what to install', async () => {
    for (const version of ['6.2.14', '5.0.7']) {
      const server = says(`redis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`);
      await assert.rejects(checkServer(server, 'redis://10.0.0.7:6379'), {
        code: 'REDIS_UNSUITABLE',
        message: `redis://10.0.0.7:6379 is too old: redis ${version}.`,
        hint: /Install Redis 7 or newer/,
      });
    }
  });

  it('takes the oldest that will do', async () => {
    const found = await checkServer(says('redis_version:7.0.0\r\nmaxmemory_policy:noeviction\r\n'));
    assert.deepEqual(found, { version: '7.0.0', kind: 'redis' });
  });
});
