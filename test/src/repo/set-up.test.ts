import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from '../support/data.js';
import { isRunning } from '../support/processes.js';
import { infraModule } from '../support/scripts.js';
import { runTool } from '../support/tools.js';
import { until } from '../support/until.js';

interface Redis {
  findRedis(o: {
    root: string;
    env?: Record<string, string>;
  }): Promise<{ path: string; version: string } | undefined>;
}

interface Install {
  installBeside<T>(target: string, version: string, fill: (folder: string) => Promise<T>): Promise<T>;
  isInstalled(folder: string, version: string): Promise<boolean>;
  sweepLeftovers(root: string): Promise<void>;
}

const setUp = (args: readonly string[] = [], env: Record<string, string> = {}) =>
  runTool(process.execPath, ['infra/setup.mjs', ...args], {
    cwd: repository,
    env: { ...process.env, ...env },
  });

describe('set-up', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  it('does nothing, says nothing and needs no network when all is done', () => {
    const nowhere = 'http://127.0.0.1:9';
    const cut = { http_proxy: nowhere, https_proxy: nowhere, npm_config_registry: nowhere };
    const { status, output } = setUp([], cut);
    // Without a compiler it says so every time.
    const lines = output.split('\n').filter((line) => !/^$|C\+\+ kernels|Install g\+\+/.test(line));
    assert.deepEqual([status, lines], [0, []]);
  });

  it('refuses an argument that it does not know', () => {
    const { status, output } = setUp(['--tests']);
    assert.equal(status, 2);
    assert.match(output, /Unknown argument --tests\.\nUsage:/);
  });

  it('says what to do about a server that is none', () => {
    const { status, output } = setUp([], { LVNET_REDIS_SERVER: '/bin/true' });
    assert.equal(status, 1);
    assert.match(output, /LVNET_REDIS_SERVER=\/bin\/true is no Redis.* Install redis-server/);
  });

  it('keeps the kernels of the same sources where the compiler is gone', () => {
    const addon = join(repository, 'packages/kernels/build/lvnet.node');
    const before = existsSync(addon);
    const { status, output } = setUp([], { CXX: '/nowhere/g++' });
    assert.equal(status, 0);
    assert.equal(existsSync(addon), before);
    if (!before) assert.match(output, /is not there\. Install g\+\+.*reference engine, slowly\./);
    else assert.equal(output, '');
  });

  describe('looks for Redis', () => {
    let redis: Redis;
    before(async () => {
      redis = await infraModule<Redis>('setup/redis.mjs');
    });

    /** A program that only tells a version. */
    const server = (name: string, version: string) => {
      mkdirSync(join(folder.path(), name), { recursive: true });
      const text = `#!/bin/sh\necho "Redis server v=${version} sha=0"\n`;
      const program = name.startsWith('valkey') ? 'valkey-server' : 'redis-server';
      writeFileSync(join(folder.path(), name, program), text, { mode: 0o755 });
      return join(folder.path(), name);
    };
    const find = (...path: string[]) =>
      redis.findRedis({ root: folder.path(), env: { PATH: [...path, '/bin', '/usr/bin'].join(':') } });

    it('in PATH, and passes over one that is too old', async () => {
      const [old, young] = [server('redis-old', '6.2.14'), server('valkey-young', '8.1.0')];
      assert.deepEqual(await find(old, young), { path: join(young, 'valkey-server'), version: '8.1.0' });
    });

    it('at LVNET_REDIS_SERVER first', async () => {
      const [given, other] = [server('redis-given', '7.2.0'), server('redis-other', '8.0.0')];
      const env = { PATH: other, LVNET_REDIS_SERVER: join(given, 'redis-server') };
      const found = await redis.findRedis({ root: folder.path(), env });
      assert.equal(found?.version, '7.2.0');
    });

    it('last among what it installed itself', async () => {
      const own = join(folder.path(), '.cache/tools/redis');
      server('.cache/tools/redis', '9.1.2');
      assert.deepEqual(await redis.findRedis({ root: folder.path(), env: { PATH: '' } }), {
        path: join(own, 'redis-server'),
        version: '9.1.2',
      });
    });
  });

  describe('installs beside and renames', () => {
    let install: Install;
    before(async () => {
      install = await infraModule<Install>('setup/install.mjs');
    });
    const target = () => join(folder.path(), '.cache/tools/thing');

    it('so that a target is whole, in the version that was asked for', async () => {
      await install.installBeside(target(), '1', async (fresh) => {
        writeFileSync(join(fresh, 'program'), 'one');
        assert.equal(existsSync(target()), false);
        return Promise.resolve();
      });
      assert.deepEqual(
        [await install.isInstalled(target(), '1'), await install.isInstalled(target(), '2')],
        [true, false],
      );
    });

    it('and keeps the old one where the new one fails', async () => {
      const failing = install.installBeside(target(), '2', (fresh) => {
        writeFileSync(join(fresh, 'program'), 'half');
        return Promise.reject(new Error('no space'));
      });
      await assert.rejects(failing, /no space/);
      assert.equal(readFileSync(join(target(), 'program'), 'utf8'), 'one');
      assert.deepEqual(
        readdirSync(join(folder.path(), '.cache/tools')).filter((name) => name.includes('.new-')),
        [],
      );
    });

    it('and sweeps up after one that was killed', async () => {
      mkdirSync(`${target()}.new-abc`);
      mkdirSync(`${target()}.old-12`);
      await install.sweepLeftovers(folder.path());
      const left = readdirSync(join(folder.path(), '.cache/tools')).filter((name) =>
        name.startsWith('thing'),
      );
      assert.deepEqual(left, ['thing']);
    });
  });
});

describe('the lock of set-up', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const lock = () => join(folder.path(), 'setup.lock');
  const log = () => join(folder.path(), 'log');

  /** A process that writes "in", holds the lock for as long as it is told, writes "out". */
  const holder = (holdMs: number): ChildProcess => {
    const script = `import { withLock } from ${JSON.stringify(join(repository, 'infra/setup/lock.mjs'))};
      import { appendFileSync } from 'node:fs';
      const note = (text) => appendFileSync(${JSON.stringify(log())}, text + ' ' + process.pid + '\\n');
      await withLock(${JSON.stringify(lock())}, { onWait: () => note('waits') }, async () => {
        note('in');
        await new Promise((resolve) => setTimeout(resolve, ${String(holdMs)}));
        note('out');
      });`;
    return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  };
  const ended = async (child: ChildProcess) => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };
  const counted = (word: string, count: number) =>
    until(() => lines().filter((line) => line.startsWith(word)).length >= count);
  const lines = () => (existsSync(log()) ? readFileSync(log(), 'utf8').trim().split('\n') : []);

  it('lets one in at a time, also when an owner is killed', async () => {
    const killed = holder(1e6);
    await counted('in', 1);
    const others = Array.from({ length: 5 }, () => holder(50));
    await counted('waits', 5);
    killed.kill('SIGKILL');
    assert.deepEqual(await Promise.all(others.map(ended)), [0, 0, 0, 0, 0]);
    const turns = lines()
      .filter((line) => !line.startsWith('waits'))
      .slice(1);
    assert.equal(turns.length, 10);
    for (let i = 0; i < turns.length; i += 2)
      assert.deepEqual([turns[i]?.split(' ')[0], turns[i + 1]], ['in', turns[i]?.replace('in', 'out')]);
    assert.deepEqual(readdirSync(folder.path()), ['log']);
  });

  it('is taken over only after the programs of its dead owner were ended', async () => {
    const note = join(folder.path(), 'child');
    const script = `import { withLock } from ${JSON.stringify(join(repository, 'infra/setup/lock.mjs'))};
      import { run } from ${JSON.stringify(join(repository, 'infra/setup/processes.mjs'))};
      await withLock(${JSON.stringify(lock())}, {}, () => run('sh', ['-c', 'echo $$ > ${note}; sleep 1000']));`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    await until(() => Number(readFileSync(note, 'utf8')) > 0);
    owner.kill('SIGKILL');
    await ended(owner);
    const pid = Number(readFileSync(note, 'utf8'));
    assert.ok(isRunning(pid), 'it survived its owner');
    assert.equal(await ended(holder(0)), 0);
    assert.ok(!isRunning(pid));
  });

  it('is free when its owner’s process id belongs to another process now', async () => {
    writeFileSync(lock(), JSON.stringify({ pid: process.pid, born: '1' }));
    assert.equal(await ended(holder(0)), 0);
  });
});
