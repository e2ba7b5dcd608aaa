import assert from 'node:assert/strict';
import { readServerInfo } from './server-check.js';

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
