import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { cliFolder, documentOf, runCli, type ErrorDocument } from './cli.fixture.js';
import type { StepSummary } from './local/bench/step-summary.js';

interface Bench extends StepSummary {
  network: string;
  input: number[];
  engine: string;
  threads: number;
  fmaPeakGflops: number | null;
  loss: number;
  rounds: number[];
  svg: string;
}

const small = ['--set', 'levels=3', '--input', '8,16,16', '--rounds', '2'];

describe('lvnet bench', function () {
  this.timeout(60_000);
  const folder = cliFolder();
  const run = (...args: string[]) => runCli(['bench', ...args], folder.options());
  const sum = (shares: readonly { seconds: number }[]) =>
    shares.reduce((total, { seconds }) => total + seconds, 0);

  it('answers with parts that add up, and draws them', async () => {
    const result = await run(...small, '--engine', 'native', '--threads', '1', '--json');
    assert.equal(result.code, 0, result.stderr);
    const found = documentOf<Bench>(result);
    assert.deepEqual(
      [found.network, found.input, found.engine, found.threads],
      ['lv-net', [8, 16, 16], 'native', 1],
    );
    const { step, operations, stages, betweenSeconds } = found;
    assert.equal(found.rounds.length, 2);
    assert.equal(step.seconds, Math.min(...found.rounds));
    // Some hundred sums of float64 near 0.1 s: 1e-12 and better.
    for (const shares of [operations, stages])
      assert.ok(Math.abs(sum(shares) + betweenSeconds - step.seconds) < 1e-9);
    assert.ok(betweenSeconds >= 0);
    assert.ok((found.fmaPeakGflops ?? 0) > 0 && found.loss > 0);
    const convolution = operations.find(({ name }) => name === 'conv3d, gradient by weights');
    assert.ok(convolution !== undefined && (convolution.gflops ?? 0) > 0 && convolution.bytes > 0);
    assert.equal(convolution.peakShare, (convolution.gflops ?? 0) / (found.fmaPeakGflops ?? 0));
    const norm = operations.find(({ name }) => name === 'batch norm');
    assert.deepEqual([norm?.gflops, norm?.peakShare], [null, null]);
    assert.deepEqual(
      stages.map(({ name }) => name).filter((name) => /^(enc|down|bottom|up\d|dec)/.test(name)),
      ['enc0', 'down0', 'enc1', 'down1', 'bottom', 'up1', 'dec1', 'up0', 'dec0'],
    );
    for (const { forwardSeconds, backwardSeconds, name } of stages)
      assert.ok(forwardSeconds > 0 === (name !== 'update') && backwardSeconds > 0 === (name !== 'update'));
    assert.equal(found.svg, folder.path('bench-lv-net.svg'));
    const svg = await readFile(found.svg, 'utf8');
    assert.match(svg, /^<svg [^>]*viewBox/);
    const titles = [...svg.matchAll(/<g><title>([^<,]*)/g)].map(([, title = '']) => title);
    for (const name of ['training step', 'forward', 'backward', 'enc0', 'dec0.3', 'inverted residual'])
      assert.ok(titles.includes(name), name);
  });

  it('shows a table, of another network on the plain loops too', async () => {
    const args = ['--network', 'u-net', '--set', 'baseWidth=2', '--input', '1,16,32', '--svg', 'u.svg'];
    const { code, stdout, stderr } = await run(...args, '--engine', 'reference');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^u-net, training step of 1x1x16x32, reference engine \(javascript\), 1 thread,/);
    assert.match(stdout, /^convolution, gradient by input +\d+ +[\d.]+ +[\d.]+ %/m);
    assert.match(stdout, /^between operations +- +[\d.]+/m);
    assert.match(stdout, /^down4 +[\d.]+ +[\d.]+ /m);
    assert.match(await readFile(folder.path('u.svg'), 'utf8'), /<\/svg>\n$/);
  });

  const mistakes: [string[], string, RegExp, RegExp][] = [
    [['--network', 'vnet'], 'NETWORK_INVALID', /no network vnet/, /v-net/],
    [['--engine', 'cuda'], 'ARGUMENT_INVALID', /'cuda' is invalid/, /native, tensorflow, reference/],
    [['--input', '16,128'], 'ARGUMENT_INVALID', /'16,128' is invalid/, /16,256,256/],
    [['--input', '16,100,100'], 'SHAPE_MISMATCH', /must divide by 16/, /sizes/],
    [['--input', '1024,1024,1024'], 'MEMORY_TOO_SMALL', /takes .* GiB/, /--input/],
    [['--rounds', '0'], 'ARGUMENT_INVALID', /'0' is invalid/, /from 1 on/],
  ];
  for (const [args, code, message, hint] of mistakes) {
    it(`refuses ${args.join(' ')} before it computes`, async () => {
      const result = await run(...args, '--json');
      const { error } = documentOf<ErrorDocument>(result);
      assert.deepEqual([error.code, result.code], [code, 2]);
      assert.match(error.message, message);
      assert.match(error.hint, hint);
    });
  }
});
