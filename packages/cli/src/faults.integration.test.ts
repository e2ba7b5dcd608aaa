import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { isTensorFlowInstalled } from '@lvnet/engine';
import { connectRedis, startPrivateRedis } from '@lvnet/redis';
import { findS3Server, freePort, startS3Server } from '@lvnet/store/testing';
import { bin, cliFolder, documentOf, runCli, type CliOptions, type ErrorDocument } from './cli.fixture.js';

const experiment = 'name: x\ndata: { root: phantoms, split: { train: 1, validation: 0, test: 0 } }\n';

describe('what goes wrong', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const withEnv = (env: NodeJS.ProcessEnv): CliOptions => {
    const { cwd, env: home } = folder.options();
    return { ...(cwd === undefined ? {} : { cwd }), env: { ...home, ...env } };
  };
  before(async () => {
    await writeFile(folder.path('good.yaml'), experiment);
  });

  /** Code and exit code with --json; message and hint in two lines, no stack, without. */
  async function expectFailure(
    args: string[],
    env: NodeJS.ProcessEnv,
    expected: { code: string; exit: 1 | 2; message: RegExp },
  ): Promise<ErrorDocument['error']> {
    const result = await runCli([...args, '--json'], withEnv(env));
    const { error } = documentOf<ErrorDocument>(result);
    assert.deepEqual([error.code, result.code], [expected.code, expected.exit], error.message);
    assert.match(error.message, expected.message);
    assert.notEqual(error.hint, '', 'it says what to do');
    const people = await runCli(args, withEnv(env));
    assert.deepEqual([people.code, people.stdout], [expected.exit, '']);
    assert.deepEqual(people.stderr.trimEnd().split('\n').slice(-2), [error.message, error.hint]);
    assert.doesNotMatch(people.stderr, /^ +at /m);
    return error;
  }

  it('an unknown field of an experiment: path and nearest name, before any server is asked', async () => {
    await writeFile(folder.path('bad.yaml'), `${experiment}network: { name: lv-net, expansonRate: 4 }\n`);
    const error = await expectFailure(
      ['run', 'bad.yaml'],
      {},
      {
        ...{ code: 'EXPERIMENT_INVALID', exit: 2 },
        message: /bad\.yaml .*network\.expansonRate: unknown field; did you mean expansionRate\?/,
      },
    );
    const [problem] = error.details['problems'] as Record<string, unknown>[];
    assert.deepEqual(
      [problem?.['path'], problem?.['value'], problem?.['nearest']],
      ['network.expansonRate', 4, 'expansionRate'],
    );
  });

  it('fields that contradict each other', async () => {
    const args = ['run', 'good.yaml', '--set', 'network.levels=3'];
    await expectFailure(
      args,
      {},
      { code: 'EXPERIMENT_CONTRADICTORY', exit: 2, message: /loss\.eta .*needs 2 weights/ },
    );
  });

  it('no experiment file, no cluster', async () => {
    await expectFailure(['run', 'none.yaml'], {}, { code: 'FILE_NOT_FOUND', exit: 2, message: /none\.yaml/ });
    await expectFailure(
      ['run', 'good.yaml'],
      {},
      { code: 'ARGUMENT_INVALID', exit: 2, message: /LVNET_REDIS_URL and LVNET_STORE/ },
    );
  });

  const files: [string, string | Uint8Array, string][] = [
    ['text.nii', 'no scan at all', 'NIFTI_INVALID'],
    ['empty.nii.gz', '', 'NIFTI_INVALID'],
    ['pointer.nii.gz', 'version https://git-lfs.github.com/spec/v1\n', 'NIFTI_INVALID'],
    ['cut.nii.gz', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), 'NIFTI_INVALID'],
  ];
  for (const [name, content, code] of files) {
    it(`${name}: no NIfTI`, async () => {
      await writeFile(folder.path(name), content);
      await expectFailure(
        ['volume', name],
        {},
        { code, exit: 2, message: new RegExp(name.replace('.', '\\.')) },
      );
    });
  }

  it('a missing file, a folder in a file’s place', async () => {
    await expectFailure(
      ['volume', 'none.nii'],
      {},
      { code: 'FILE_NOT_FOUND', exit: 2, message: /none\.nii/ },
    );
    await mkdir(folder.path('folder.nii'));
    await expectFailure(
      ['volume', 'folder.nii'],
      {},
      { code: 'NIFTI_INVALID', exit: 2, message: /it is a folder/ },
    );
  });

  it('a Redis that does not answer', async () => {
    const url = `redis://127.0.0.1:${String(await freePort())}`;
    const env = { LVNET_REDIS_URL: url, LVNET_STORE: `file://${folder.path('store')}` };
    await expectFailure(['run', 'good.yaml'], env, {
      code: 'REDIS_UNREACHABLE',
      exit: 1,
      message: new RegExp(url),
    });
  });

  it('a store that does not answer, is none, or is a file', async () => {
    const env = {
      ...{ LVNET_STORE: 's3://bucket/lvnet', AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 'secret-word' },
      AWS_ENDPOINT_URL: `http://127.0.0.1:${String(await freePort())}`,
    };
    const error = await expectFailure(['ls'], env, {
      code: 'STORE_UNREACHABLE',
      exit: 1,
      message: /s3:\/\/bucket\/lvnet/,
    });
    assert.doesNotMatch(JSON.stringify(error), /secret-word/);
    await expectFailure(
      ['ls'],
      { LVNET_STORE: 'ftp://x' },
      { code: 'STORE_INVALID', exit: 2, message: /ftp:\/\/x/ },
    );
    const file = `file://${folder.path('good.yaml')}`;
    await expectFailure(
      ['ls'],
      { LVNET_STORE: file },
      { code: 'STORE_UNREACHABLE', exit: 1, message: /good\.yaml/ },
    );
  });

  it('wrong credentials of a store', async function () {
    if (findS3Server() === undefined && process.env['CI'] === undefined) {
      process.stderr.write('      skipped: no S3 server (npx lvnet setup s3 installs one)\n');
      this.skip();
    }
    await using server = await startS3Server();
    const right = { ...server.env, LVNET_STORE: `s3://${server.bucket}/x` };
    const found = await runCli(['ls', '--json'], withEnv(right));
    assert.deepEqual([found.code, documentOf(found)], [0, { runs: [] }]);
    const wrong = { ...right, AWS_SECRET_ACCESS_KEY: 'another' };
    const error = await expectFailure(['ls'], wrong, { code: 'STORE_DENIED', exit: 2, message: /refused/ });
    assert.match(error.hint, /AWS_SECRET_ACCESS_KEY/);
  });

  it('an engine or a device that is not there', async () => {
    await using redis = await startPrivateRedis({ dir: folder.path('redis-engine') });
    const env = { LVNET_REDIS_URL: redis.url, LVNET_STORE: `file://${folder.path('store')}` };
    const nowhere = { LVNET_TENSORFLOW: folder.path('nowhere') };
    const wrong: [string[], NodeJS.ProcessEnv, RegExp, RegExp][] = [
      [['reference', '--device', '3'], {}, /^There is no device 3: /m, /^Leave --device out/m],
      [['tensorflow'], nowhere, /^The tensorflow engine is not set up/m, /^Run npx lvnet setup tensorflow/m],
    ];
    if (isTensorFlowInstalled())
      wrong.push([['tensorflow', '--device', '3'], {}, /^There is no device 3: /m, /^Leave --device out/m]);
    for (const [args, more, message, hint] of wrong) {
      const { code, stderr } = await runCli(['worker', '--engine', ...args], withEnv({ ...env, ...more }));
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.match(stderr, hint);
      assert.doesNotMatch(stderr, /^ +at /m);
    }
  });

  it('a tensor Redis that may throw keys away', async () => {
    await using good = await startPrivateRedis({ dir: folder.path('redis-good') });
    await using evicting = await startPrivateRedis({ dir: folder.path('redis-evicting') });
    const client = await connectRedis(evicting.url, { role: 'command', name: 'test' });
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    client.disconnect();
    const env = { LVNET_REDIS_URL: good.url, LVNET_TENSOR_REDIS_URL: evicting.url };
    const store = { LVNET_STORE: `file://${folder.path('store')}` };
    const { code, stderr } = await runCli(['worker'], withEnv({ ...env, ...store }));
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(`${evicting.url} may evict keys (maxmemory-policy allkeys-lru).`), stderr);
    assert.match(stderr, /redis-cli CONFIG SET maxmemory-policy noeviction/);
  });

  it('an experiment that no memory holds', async () => {
    const args = ['run', 'good.yaml', '--dry-run', '--memory', '300MB'];
    const expected = { code: 'MEMORY_TOO_SMALL', exit: 2, message: /lv-net takes .*, there are / } as const;
    const { hint } = await expectFailure(args, {}, expected);
    assert.match(hint, /What would fit/);
  });

  it('a port in use', async () => {
    await using redis = await startPrivateRedis({ dir: folder.path('redis') });
    const taken = createServer();
    const port = await listen(taken);
    const env = { LVNET_REDIS_URL: redis.url, LVNET_STORE: `file://${folder.path('store')}` };
    for (const name of ['worker', 'coordinator', 'up']) {
      const { code, stderr } = await runCli([name, '--port', String(port)], withEnv(env));
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`^Port ${String(port)} is .*in use\\.$`, 'm'));
      assert.doesNotMatch(stderr, /^ +at /m);
    }
    taken.close();
  });

  it('a full disk behind stdout', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const shell = spawn('sh', ['-c', '"$0" "$1" --version > /dev/full', process.execPath, bin], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    shell.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
    await once(shell, 'close');
    assert.equal(shell.exitCode, 1);
    assert.match(text, /cannot be written/);
  });
});

async function listen(server: Server): Promise<number> {
  server.listen(0);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
