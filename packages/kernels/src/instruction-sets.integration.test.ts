import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { skipWithoutAddon } from './addon.fixture.js';
import { addonPath } from './native.js';

const script = fileURLToPath(new URL('instruction-sets.fixture.js', import.meta.url));

interface Found {
  instructionSet: string;
  errors: Record<string, number>;
  elu: { error: number; special: string[] };
  hash: string;
}

/** What a process forced to one instruction set finds: its name, the error and hash of each result. */
function runForced(instructionSet: string) {
  const env = { ...process.env, LVNET_ISA: instructionSet };
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Found;
}

describe('each instruction set in a process of its own', function () {
  this.timeout(60_000);
  before(function () {
    if (!existsSync(addonPath)) skipWithoutAddon(this);
  });

  for (const instructionSet of ['avx512', 'avx2', 'baseline']) {
    it(`${instructionSet}, or the best below it, agrees with the plain loops`, () => {
      const found = runForced(instructionSet);
      for (const [name, error] of Object.entries(found.errors))
        assert.ok(error <= 3e-5, `${name} on ${found.instructionSet}: ${String(error)}`);
      assert.ok(found.elu.error <= 2 ** -23, `ELU is off by ${String(found.elu.error)}`); // an ulp of 1
      const [kept, large] = [Math.fround(0.7), Math.fround(3e38)].map(String);
      assert.deepEqual(
        found.elu.special.map((value) => (Math.abs(Number(value)) < 1e-38 ? '0' : value)),
        ['-1', '-1', '-1', '0', '0', '0', '0', kept, large, 'Infinity', 'NaN'],
      );
    });
  }

  it('AVX-512 and AVX2 give the same bytes', () => {
    assert.equal(runForced('avx512').hash, runForced('avx2').hash);
  });

  it('takes the baseline when told to', () => {
    assert.equal(runForced('baseline').instructionSet, 'baseline');
  });
});
