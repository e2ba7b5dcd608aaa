import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { repository, temporaryFolder } from '../support/data.js';
import { infraModule } from '../support/scripts.js';
import { skip } from '../support/tools.js';

interface Compiled {
  objects: string[];
  warnings: string;
  reason?: string;
}

interface Compiler {
  findCrossCompiler: (o: { root: string }) => Promise<string | undefined>;
}

interface Build {
  compileObjects: (o: { compiler: string; cpu: string; folder: string }) => Promise<Compiled>;
}

/** e_machine of an ELF header, at byte 18. */
const AARCH64 = 183;

describe('the C++ kernels on ARM64', function () {
  this.timeout(400_000); // a minute and a half where others use the machine
  const folder = temporaryFolder();

  it('compile to the baseline without a warning', async function () {
    const { findCrossCompiler } = await infraModule<Compiler>('setup/cross-compiler.mjs');
    const { compileObjects } = await infraModule<Build>('build-addon.mjs');
    const compiler = await findCrossCompiler({ root: repository });
    if (compiler === undefined)
      return skip(this, 'no ARM64 compiler (apt-get install g++-aarch64-linux-gnu)');
    const { objects, warnings, reason } = await compileObjects({
      compiler,
      cpu: 'arm64',
      folder: folder.path(),
    });
    assert.equal(reason, undefined);
    assert.equal(warnings, '');
    assert.ok(objects.some((path) => path.endsWith('kernels-baseline.o')));
    for (const path of objects) assert.equal(readFileSync(path).readUInt16LE(18), AARCH64, path);
  });
});
