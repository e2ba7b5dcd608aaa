import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repository, temporaryFolder } from '../support/data.js';
import { until } from '../support/until.js';
import { isRunning } from '../support/processes.js';
import { infraModule } from '../support/scripts.js';
import { runTool } from '../support/tools.js';

interface TestResult {
  kind: 'passed' | 'failed' | 'skipped';
  title: string;
  error?: string;
}

interface FileResult {
  name: string;
  tests: TestResult[];
  output: string;
}

interface RunFile {
  runFile: (
    file: { name: string; group: string; source: string; compiled: string },
    o: { root: string; signal: AbortSignal; limits?: { testMs?: number; fileMs?: number; exitMs?: number } },
  ) => Promise<FileResult>;
}

interface RunBatch {
  runBatch: (
    files: { name: string; group: string; source: string; compiled: string }[],
    o: { root: string; signal: AbortSignal; limits?: { fileMs?: number; exitMs?: number } },
  ) => Promise<FileResult[]>;
}

interface Files {
  listTests: (root: string) => { name: string }[];
  longest: readonly string[];
  alone: readonly string[];
}

interface Summary {
  summary: (
    results: readonly FileResult[],
    o: { seconds: number; names: readonly string[] },
  ) => { text: string; passed: boolean };
}

const imports = `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
`;

describe('the test harness', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let harness: RunFile & Summary;

  before(async () => {
    const { runFile } = await infraModule<RunFile>('test/run-file.mjs');
    const { summary } = await infraModule<Summary>('test/summary.mjs');
    harness = { runFile, summary };
  });

  /** Runs a test file of this text; deadlines short enough to be waited for. */
  const run = (text: string, limits = {}, signal = new AbortController().signal) => {
    const path = join(folder.path(), 'sample.test.mjs');
    writeFileSync(path, imports + text);
    const file = { name: 'sample', group: 'unit', source: '', compiled: relative(repository, path) };
    return harness.runFile(file, { root: repository, signal, limits: { exitMs: 1_000, ...limits } });
  };

  it('counts what passed, failed and was skipped, with names and reasons', async () => {
    const { tests, output } = await run(`
      it('is right', () => {});
      it('is wrong', () => { console.error('some words'); assert.equal(1, 2); });
      it('has no test here', function () { this.skip(); });`);
    assert.deepEqual(
      tests.map(({ kind, title }) => [kind, title]),
      [
        ['passed', 'is right'],
        ['failed', 'is wrong'],
        ['skipped', 'has no test here'],
      ],
    );
    assert.match(tests[1]?.error ?? '', /Expected values to be strictly equal/);
    assert.match(output, /some words/);
  });

  it('knows the files that it begins first and those that it runs alone', async () => {
    const { listTests, longest, alone } = await infraModule<Files>('test/files.mjs');
    const names = listTests(repository).map(({ name }) => name);
    for (const name of [...longest, ...alone]) assert.ok(names.includes(name), `${name} is a test file`);
  });

  it('counts a failing hook', async () => {
    assert.match(
      onlyFailure(await run(`before(() => { throw new Error('no'); }); it('a', () => {});`)),
      /no/,
    );
  });

  const wholes: [what: string, text: string, error: RegExp, limits?: object][] = [
    ['that holds no test', '', /holds no test/],
    ['that cannot be loaded', `import './not-there.mjs';`, /ended before its tests did \(exit code 1\)/],
    ['that leaves early', `it('a', () => process.exit(0));`, /ended before its tests did \(exit code 0\)/],
    ['that is killed', `it('a', () => process.kill(process.pid, 9));`, /did \(SIGKILL\)/],
    ['that turns in circles', `it('a', () => { for (;;); });`, /longer than 1.5 s/, { fileMs: 1_500 }],
    ['that keeps something open', `it('a', () => { setInterval(() => {}, 1e6); });`, /still open/],
  ];
  for (const [what, text, error, limits] of wholes)
    it(`fails a file ${what}`, async () => {
      const result = await run(text, limits);
      assert.match(onlyFailure(result), error);
      assert.equal(result.tests.at(-1)?.title, 'sample as a whole');
    });

  it('fails a file that was not compiled', async () => {
    const file = { name: 'gone', group: 'unit', source: '', compiled: 'test/dist/gone.test.js' };
    const { signal } = new AbortController();
    const result = await harness.runFile(file, { root: repository, signal });
    assert.match(onlyFailure(result), /was not compiled/);
  });

  it('ends a test that waits for ever', async () => {
    const result = await run(`it('a', () => new Promise(() => setInterval(() => {}, 1e6)));`, {
      testMs: 300,
    });
    assert.match(result.tests[0]?.error ?? '', /Timeout of 300ms/);
  });

  /** A child in a group of its own, which writes its process id. */
  let children = 0;
  const leaveOne = () => {
    const note = join(folder.path(), `child-${String(children++)}`);
    return {
      pid: () => Number(readFileSync(note, 'utf8')),
      text: `const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
        child.unref();
        writeFileSync(${JSON.stringify(note)}, String(child.pid));`,
    };
  };

  it('fails a file that leaves a process behind, and ends that process', async () => {
    const left = leaveOne();
    const error = onlyFailure(await run(`it('a', () => { ${left.text} });`));
    assert.match(error, new RegExp(`left processes behind: ${String(left.pid())} sleep 1000`));
    assert.ok(!isRunning(left.pid()));
  });

  it('leaves nothing of a file that it had to end', async () => {
    const left = leaveOne();
    await run(`it('a', () => { ${left.text} for (;;); });`, { fileMs: 2_000 });
    assert.ok(!isRunning(left.pid()));
  });

  it('leaves nothing when it is interrupted', async () => {
    const left = leaveOne();
    const controller = new AbortController();
    const running = run(`it('a', () => { ${left.text} for (;;); });`, {}, controller.signal);
    await until(() => left.pid() > 0);
    controller.abort();
    assert.match(onlyFailure(await running), /interrupted/);
    assert.ok(!isRunning(left.pid()));
  });

  describe('with several files in one process', () => {
    const batch = async (...texts: string[]) => {
      const { runBatch } = await infraModule<RunBatch>('test/run-batch.mjs');
      const files = texts.map((text, i) => {
        const path = join(folder.path(), `batch-${String(i)}.test.mjs`);
        writeFileSync(path, imports + text);
        return { name: `file ${String(i)}`, group: 'unit', source: '', compiled: relative(repository, path) };
      });
      const { signal } = new AbortController();
      return runBatch(files, { root: repository, signal, limits: { fileMs: 3_000, exitMs: 1_000 } });
    };
    const counts = (results: FileResult[]) =>
      results.map(({ tests }) => tests.map(({ kind, title }) => `${kind} ${title}`));
    const tellPid = (name: string) => `it('${name}', () => { throw new Error('process ' + process.pid); });`;

    it('tells each file its own tests', async () => {
      const results = await batch(
        `describe('one', () => { it('a', () => {}); ${tellPid('b')} });`,
        `it.skip('c', () => {}); before(() => {}); ${tellPid('d')}`,
      );
      assert.deepEqual(counts(results), [
        ['passed one a', 'failed one b'],
        ['skipped c', 'failed d'],
      ]);
      const pids = results.map(({ tests }) => /process \d+/.exec(tests[1]?.error ?? '')?.[0]);
      assert.equal(pids[0], pids[1], 'one process');
    });

    const hang = `it('hangs', () => { for (;;); });`;
    for (const [what, text, error] of [
      ['hangs', hang, /longer than 3 s/],
      ['holds no test', '', /holds no test/],
      ['cannot be loaded', `import './not-there.mjs';`, /ended before its tests did/],
    ] as const)
      it(`lets each run alone where one ${what}, and blames only that one`, async () => {
        const results = await batch(`it('a', () => {});`, text, `it('z', () => {});`);
        const [first, second, third] = counts(results);
        assert.deepEqual([first, third], [['passed a'], ['passed z']]);
        assert.equal(second?.length, 1);
        assert.match(results[1]?.tests[0]?.error ?? '', error);
      });
  });

  it('takes a file with it when it is killed itself', async () => {
    const note = join(folder.path(), 'own-pid');
    const path = join(folder.path(), 'long.test.mjs');
    writeFileSync(
      path,
      `${imports}it('a', () => new Promise(() => setInterval(() => {
      writeFileSync(${JSON.stringify(note)}, String(process.pid)); }, 10)));`,
    );
    const file = { name: 'long', group: 'unit', compiled: relative(repository, path) };
    const script = `import { runFile } from ${JSON.stringify(join(repository, 'infra/test/run-file.mjs'))};
      await runFile(${JSON.stringify(file)}, { root: ${JSON.stringify(repository)}, signal: new AbortController().signal });`;
    const runner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    await until(() => Number(readFileSync(note, 'utf8')) > 0);
    const gone = once(runner, 'exit');
    runner.kill('SIGKILL');
    await gone;
    await until(() => !isRunning(Number(readFileSync(note, 'utf8'))));
  });

  it('names what was skipped and failed, and ends with the counts', () => {
    const result = (tests: TestResult[]) => [{ name: 'a/b', tests, output: '' }];
    const { text, passed } = harness.summary(
      result([
        { kind: 'passed', title: 'one' },
        { kind: 'failed', title: 'two', error: 'why' },
        { kind: 'skipped', title: 'three' },
      ]),
      { seconds: 1, names: [] },
    );
    assert.equal(passed, false);
    assert.match(text, /a\/b: three[^]*a\/b: two\n +why[^]*, 1 skipped\n1 passed, 1 failed\n$/);
    const good = harness.summary(result([{ kind: 'passed', title: 'one' }]), { seconds: 1, names: [] });
    assert.equal(good.passed, true);
    const skipped = harness.summary(result([{ kind: 'skipped', title: 'one' }]), { seconds: 1, names: [] });
    assert.equal(skipped.passed, false, 'nothing ran');
  });

  it('fails when no file has that name', () => {
    const { status, output } = runTool(process.execPath, ['infra/test.mjs', '--unit', 'named-like-nothing'], {
      cwd: repository,
    });
    assert.equal(status, 1);
    assert.match(
      output,
      /No test ran: no test file is named like named-like-nothing\.[^]*\n0 passed, 0 failed\n$/,
    );
  });
});

function onlyFailure({ tests }: FileResult): string {
  const failed = tests.filter(({ kind }) => kind === 'failed');
  assert.equal(failed.length, 1, JSON.stringify(tests));
  return failed[0]?.error ?? '';
}
