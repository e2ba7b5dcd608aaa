import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { numericsVersion } from '@lvnet/experiments';
import { addonPath } from '@lvnet/kernels';
import type { Smoke } from './smoke.fixture.js';

type Golden = Pick<Smoke, 'fingerprint' | 'losses' | 'weights' | 'digest'>;

/**
 * What training gives, to the last bit, by `numericsVersion` (packages/experiments/src/run-identity.ts). A test
 * that fails here means that the same experiment gives other bytes than before: where that is meant, raise
 * numericsVersion, so that runs of before and after do not pass for the same, and write down the new constants
 * under the new number; never change those of a number that was released.
 *
 * `fused` holds for AVX-512 and AVX2, `javascript` for the reference engine.
 */
const golden: Record<number, { initial: string; cases: string[]; fused: Golden; javascript: Golden }> = {
  4: {
    initial: '45b5a6e83e7fdcb3094a24c6269268e87419c09708bd590d0a1a3efce636c2b1',
    cases: [
      'ae81072f9de9923bb2d1499468a3b29e9c3ff3078a0b0a10f5b7153f737fea57',
      '342fef5b44b9934db0624d1e1364548747522507a6c7d6f464bc4f45ae3a3add',
      'b3cc8695b2a8d8cc17e711713ea332eecf7e31882af6aa5581adb9ab36c89904',
    ],
    fused: {
      fingerprint: '72cb9992e67a04ded2da28a3b179cc09bc2e3571eb9871e0b0ecb97c8c5221e7',
      losses: [
        1.428800344467163, 1.271743655204773, 1.2400273084640503, 1.223778525988261, 1.0945616960525513,
        1.0541055798530579, 1.1018474102020264, 1.0582345326741536, 0.9694929917653402, 0.9282351533571879,
      ],
      weights: '8ebe419bfa5eaeb537fa0bfe644c819280dece01560b065839ae483d0991294f',
      digest: 'd2cd360c659b1f0808dc42f76bb5d3dba08da247c034072d83978378fb1986b1',
    },
    javascript: {
      fingerprint: '7091bd5c215a8c2210cf66c1e407d8ee3dd34637e50aac3139c3f4b736bc5689',
      losses: [
        1.4288002649943035, 1.271743615468343, 1.2400272687276204, 1.223778525988261, 1.0945617357889812,
        1.0541056394577026, 1.1018474102020264, 1.0582344929377239, 0.9694930116335551, 0.928235133488973,
      ],
      weights: '24ab8ed41257f334146d2b3638b95caa7f57989e19f70e26fe62ccbdd1af8e06',
      digest: '764abfb862aee70a3b8cd4ea1502cff0c32e8112ab7b40a1f29195feda7d3a30',
    },
  },
};

const script = fileURLToPath(new URL('smoke.fixture.js', import.meta.url));

async function smoke(kind: 'native' | 'reference', instructionSet?: string): Promise<Smoke> {
  const forced = instructionSet === undefined ? {} : { LVNET_ISA: instructionSet };
  const { stdout } = await promisify(execFile)(process.execPath, [script, kind], {
    env: { ...process.env, ...forced },
    timeout: 120_000,
  });
  return JSON.parse(stdout) as Smoke;
}

const resultsOf = ({ fingerprint, losses, weights, digest }: Smoke): Golden => ({
  ...{ fingerprint, losses, weights, digest },
});

describe('golden digests of training', function () {
  this.timeout(150_000);

  function expectedNow() {
    const expected = golden[numericsVersion];
    assert.ok(expected !== undefined, `none is written down for numericsVersion ${String(numericsVersion)}`);
    return expected;
  }

  function assertStart({ cases, initial }: Smoke): void {
    assert.deepEqual(cases, expectedNow().cases, 'phantoms or their preparation changed');
    assert.equal(initial, expectedNow().initial, 'the initial weights changed');
  }

  for (const instructionSet of ['avx512', 'avx2']) {
    it(`hold for the native engine on ${instructionSet}, or the best below it`, async function () {
      if (!existsSync(addonPath)) {
        if (process.env['CI'] !== undefined) throw new Error('CI needs the addon');
        process.stderr.write('      skipped: the addon is not built\n');
        this.skip();
      }
      const found = await smoke('native', instructionSet);
      if (found.instructionSet === 'baseline') {
        process.stderr.write('      skipped: this processor has no AVX2\n');
        this.skip();
      }
      assertStart(found);
      assert.deepEqual(resultsOf(found), expectedNow().fused);
    });
  }

  it('hold for the reference engine', async () => {
    const found = await smoke('reference');
    assertStart(found);
    assert.deepEqual(resultsOf(found), expectedNow().javascript);
  });

  it('lie together: ten falling losses, the same on both engines but for roundings', () => {
    const { fused, javascript } = expectedNow();
    assert.equal(fused.losses.length, 10);
    // Losses near 1, rounded to float32 (2^-24) in the mean of three shards; Adam's sign-like first steps let
    // roundings of the gradient grow, by less than 64 here.
    fused.losses.forEach((loss, i) => {
      const off = Math.abs(loss - (javascript.losses[i] ?? Number.NaN));
      assert.ok(off <= 64 * 2 ** -24, `step ${String(i + 1)}: off by ${String(off)}`);
    });
    assert.ok((fused.losses[9] ?? 1) < 0.7 * (fused.losses[0] ?? 0));
  });
});
