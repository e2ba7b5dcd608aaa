import assert from 'node:assert/strict';
import { cliFolder, documentOf, runCli, startCli, type ErrorDocument } from './cli.fixture.js';

const local = [
  ...['data phantom', 'data check', 'data prepare', 'data split'],
  ...['volume', 'networks', 'init', 'trace', 'bench', 'evaluate', 'predict', 'export', 'setup'],
  ...['audit', 'fork', 'diff'],
];
const cluster = [
  ...['demo', 'up', 'run', 'sweep', 'ls', 'status', 'watch', 'cancel', 'pause', 'resume'],
  ...['coordinator', 'worker'],
];
const commands = [...local, ...cluster];

describe('lvnet --help', function () {
  this.timeout(30_000);
  const folder = cliFolder();

  it('lists every command in less than half a second', async () => {
    const seconds: number[] = [];
    for (let i = 0; i < 3; i++) {
      const startMs = performance.now();
      const { code, stdout, stderr } = await runCli(['--help'], folder.options());
      seconds.push((performance.now() - startMs) / 1000);
      assert.deepEqual([code, stderr], [0, '']);
      for (const command of commands)
        assert.match(stdout, new RegExp(`^  ${command.split(' ')[0] ?? ''} `, 'm'));
    }
    assert.ok(Math.min(...seconds) < 0.5, `took ${seconds.join(', ')} s`);
  });

  it('is what lvnet alone prints', async () => {
    const alone = await runCli([], folder.options());
    assert.deepEqual(alone, await runCli(['help'], folder.options()));
    assert.equal(alone.code, 0);
  });

  for (const command of commands) {
    it(`shows an example of ${command}`, async () => {
      const { code, stdout, stderr } = await runCli([...command.split(' '), '--help'], folder.options());
      assert.deepEqual([code, stderr], [0, '']);
      const [, example = ''] = stdout.split(/^Examples?:$/m);
      assert.match(example, new RegExp(`lvnet ${command}\\b`));
      assert.doesNotMatch(stdout, /undefined|\bat .*:\d+:\d+/);
    });
  }

  it('shows the version', async () => {
    const { code, stdout } = await runCli(['--version'], folder.options());
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('a mistake in the command line', function () {
  this.timeout(30_000);
  const folder = cliFolder();
  const mistakes: [string[], RegExp, RegExp][] = [
    [['evalute'], /no command evalute/, /Did you mean lvnet evaluate\?/],
    [['data', 'chek', 'x'], /Unknown command 'chek'/, /Did you mean check\?/],
    [['data'], /data needs a subcommand/, /lvnet data --help/],
    [['data', 'check', 'x', '--jsn'], /Unknown option '--jsn'/, /Did you mean --json\?/],
    [['run', '--wtch', 'x.yaml'], /Unknown option '--wtch'/, /Did you mean --watch\?/],
    [['data', 'check'], /Missing required argument 'folder'/, /lvnet data check --help/],
    [['volume', 'a', 'b'], /Too many arguments/, /lvnet volume --help/],
    [
      ['predict', '--input', 'x', '--out', 'y'],
      /'--checkpoint <checkpoint>' not specified/,
      /lvnet predict --help/,
    ],
    [
      ['data', 'phantom', '--out', 'p', '--cases', 'x', '--shape', '8,8,8'],
      /'--cases <number>' argument 'x' is invalid/,
      /whole number/,
    ],
    [['setup', 'kafka'], /'kafka' is invalid/, /redis, s3, tensorflow/],
  ];
  for (const [args, message, hint] of mistakes) {
    it(`${args.join(' ')}: says what and what to do, exit code 2`, async () => {
      const { code, stdout, stderr } = await runCli(args, folder.options());
      assert.deepEqual([code, stdout], [2, '']);
      const [second = '', first = ''] = stderr.trimEnd().split('\n').reverse();
      assert.match(first, message);
      assert.match(second, hint);
      assert.doesNotMatch(stderr, /^ +at /m);
    });
  }

  it('is one JSON document with --json, and has a stack with --debug', async () => {
    const args = ['evalute', '--json', '--debug'];
    const result = await runCli(args, folder.options());
    assert.equal(result.code, 2);
    const { error } = documentOf<ErrorDocument>(result);
    assert.deepEqual(Object.keys(error), ['code', 'message', 'hint', 'details']);
    assert.deepEqual([error.code, error.details['nearest']], ['ARGUMENT_INVALID', 'evaluate']);
    assert.match(result.stderr, /^ +at /m);
  });
});

describe('a reader that goes away', function () {
  this.timeout(30_000);
  const folder = cliFolder();

  it('is no error', async () => {
    const { child, ended } = startCli(['networks', 'lv-net', '--layers', '--json'], folder.options());
    child.stdout?.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
  });
});
