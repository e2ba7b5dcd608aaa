import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '@lvnet/core';
import { checkServer } from './server-check.js';
import { connectRedis } from './connect.js';
import { defineScript } from './script.js';
import { freePort, startPrivateRedis, type PrivateRedis } from './private-server.js';

describe('a private Redis', function () {
  this.timeout(30_000);
  let dir = '';
  let server: PrivateRedis;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lvnet-redis-'));
    server = await startPrivateRedis({ dir, aof: true });
  });
  after(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('answers over TCP and over its socket and is suitable', async () => {
    for (const url of [server.url, server.socketUrl]) {
      const redis = await connectRedis(url, { role: 'command', name: 'test' });
      const { version } = await checkServer(redis);
      assert.ok(Number.parseInt(version, 10) >= 7);
      redis.disconnect();
    }
    assert.ok(existsSync(join(dir, 'appendonlydir')));
  });

  it('is refused when it may evict, with the command that mends it', async () => {
    const redis = await connectRedis(server.url, { role: 'command', name: 'test' });
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await assert.rejects(checkServer(redis), {
      code: 'REDIS_UNSUITABLE',
      hint: /CONFIG SET maxmemory-policy/,
    });
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    await checkServer(redis);
    redis.disconnect();
  });

  it('runs a script known or unknown to the server', async () => {
    const redis = await connectRedis(server.url, { role: 'producer', name: 'test' });
    const script = defineScript('sum', `return redis.call('INCRBY', KEYS[1], ARGV[1])`, 1);
    assert.equal(await script.call(redis, ['n'], [2]), 2);
    assert.equal(await script.call(redis, ['n'], [3]), 5);
    await redis.script('FLUSH');
    assert.equal(await script.call(redis, ['n'], [4]), 9);
    redis.disconnect();
  });

  it('refuses a wrong and a missing password without showing the password', async () => {
    const redis = await connectRedis(server.url, { role: 'command', name: 'test' });
    await redis.config('SET', 'requirepass', 'right');
    const wrong = server.url.replace('redis://', 'redis://:hidden@');
    const options = { role: 'command', name: 'test' } as const;
    await assert.rejects(connectRedis(wrong, options), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, 'REDIS_DENIED');
      assert.doesNotMatch(JSON.stringify(error) + error.message, /hidden/);
      return true;
    });
    await assert.rejects(connectRedis(server.url, options), { code: 'REDIS_DENIED' });
    const right = await connectRedis(server.url.replace('redis://', 'redis://:right@'), options);
    await right.config('SET', 'requirepass', '');
    right.disconnect();
    redis.disconnect();
  });

  it('says that nobody answers, within the deadline', async () => {
    const url = 'redis://127.0.0.1:1';
    const began = performance.now();
    const refused = connectRedis(url, { role: 'command', name: 'test', connectDeadlineMs: 400 });
    await assert.rejects(refused, { code: 'REDIS_UNREACHABLE', details: { url } });
    assert.ok(performance.now() - began < 3000);
  });

  it('reconnects by itself after the server came back, with no unhandled error', async () => {
    const redis = await connectRedis(server.url, { role: 'command', name: 'test' });
    const { port } = server;
    await redis.set('kept', 'yes');
    await server.stop();
    server = await startPrivateRedis({ dir, aof: true, port });
    assert.equal(await redis.get('kept'), 'yes');
    redis.disconnect();
  });

  it('takes another port where somebody was quicker, and never takes another server for its own', async () => {
    const own = join(dir, 'own');
    const ports = [server.port, server.port, await freePort()];
    const choose = () => Promise.resolve(ports.shift() ?? 0);
    const second = await startPrivateRedis({ dir: own }, choose);
    assert.notEqual(second.port, server.port);
    assert.equal(ports.length, 0);
    const redis = await connectRedis(second.socketUrl, { role: 'command', name: 'test' });
    assert.deepEqual(await redis.config('GET', 'dir'), ['dir', await realpath(own)]);
    redis.disconnect();
    await second.stop();
    const given = startPrivateRedis({ dir: own, port: server.port });
    await assert.rejects(given, { code: 'PORT_IN_USE', message: /Address already in use/ });
    await assert.rejects(
      startPrivateRedis({ dir: own }, () => Promise.resolve(server.port)),
      { code: 'PORT_IN_USE' },
    );
  });

  it('dies with a parent that is killed', async () => {
    const parent = fork(fileURLToPath(new URL('./private-server.fixture.js', import.meta.url)), [
      join(dir, 'child'),
    ]);
    const [message] = (await once(parent, 'message')) as [{ pid: number }];
    process.kill(message.pid, 0);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    for (let turn = 0; turn < 200 && isAlive(message.pid); turn++) await sleep(20);
    assert.equal(isAlive(message.pid), false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
