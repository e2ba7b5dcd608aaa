import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository, temporaryFolder } from '../support/data.js';
import { infraModule } from '../support/scripts.js';
import { skip } from '../support/tools.js';

interface Build {
  buildSanitized: (o: { compiler: string; folder: string }) => Promise<{
    addon: string;
    preload: string;
    reason?: string;
  }>;
}

const mocha = join(repository, 'node_modules/mocha/bin/mocha.js');
const tests = ['native', 'dense', 'segments'].map((name) =>
  join(repository, `packages/kernels/dist/${name}.test.js`),
);

describe('the C++ kernels under sanitizers', function () {
  this.timeout(580_000);
  const folder = temporaryFolder();

  it('pass their tests without an address out of bounds or undefined behaviour', async function () {
    if (process.platform !== 'linux') return skip(this, 'sanitizers are preloaded on Linux only');
    const { buildSanitized } = await infraModule<Build>('build-sanitized.mjs');
    const compiler = process.env['CXX'] ?? 'g++';
    const { addon, preload, reason } = await buildSanitized({ compiler, folder: folder.path() });
    assert.equal(reason, undefined);
    const env = {
      ...process.env,
      LVNET_ADDON: addon,
      LD_PRELOAD: preload,
      ASAN_OPTIONS: 'detect_leaks=0', // V8 leaves its heap to the exit
      CI: 'true', // an addon that does not load is a failure
    };
    const { stdout } = await promisify(execFile)(process.execPath, [mocha, ...tests], {
      env,
      timeout: 120_000,
      maxBuffer: 2 ** 24,
    });
    assert.match(stdout, /\d{3} passing/);
    assert.doesNotMatch(stdout, /failing/);
  });
});
