import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from '../support/data.js';
import { until } from '../support/until.js';

/** Notes every signal; the second SIGINT or a SIGTERM ends it with a code of its own. */
const program = `import { appendFileSync } from 'node:fs';
const note = (text) => appendFileSync(process.argv[2], text + '\\n');
let count = 0;
process.on('SIGINT', () => { note('SIGINT'); if (++count === 2) process.exit(7); });
process.on('SIGTERM', () => { note('SIGTERM'); process.exit(8); });
setInterval(() => {}, 1000);
note('ready');
`;

describe('npm start', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let log: string;
  let runs = 0;

  const start = async (shell = false): Promise<ChildProcess> => {
    const path = join(folder.path(), 'program.mjs');
    log = join(folder.path(), `log-${String(runs++)}`);
    writeFileSync(path, program);
    const script = `import { runChild } from ${JSON.stringify(join(repository, 'infra/start/run-child.mjs'))};
      process.exitCode = await runChild(process.argv.slice(1));`;
    const words = [process.execPath, '--input-type=module', '-e', script, path, log];
    // As npm does it, but for the shell's own replacement by its last command.
    const command = shell ? ['/bin/sh', '-c', '"$@"; exit $?', 'sh', ...words] : words;
    const child = spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, npm_lifecycle_event: 'start' },
    });
    await noted('ready');
    return child;
  };
  const notes = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
  const noted = (word: string) => until(() => notes().at(-1) === word);
  const exitCode = async (child: ChildProcess) => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };

  it('lets the demo decide what Ctrl-C means, and hears one of npm and the terminal as one', async () => {
    const child = await start();
    const startMs = performance.now();
    const insist = setInterval(() => {
      if (notes().length < 3) child.kill('SIGINT');
    }, 10);
    const code = await exitCode(child).finally(() => {
      clearInterval(insist);
    });
    assert.equal(code, 7);
    assert.deepEqual(notes(), ['ready', 'SIGINT', 'SIGINT']);
    // The second one is let through half a second after the first: without that span both came within 20 ms.
    assert.ok(performance.now() - startMs >= 500);
  });

  it('passes SIGTERM and the exit code on', async () => {
    const child = await start();
    child.kill('SIGTERM');
    assert.equal(await exitCode(child), 8);
    assert.deepEqual(notes(), ['ready', 'SIGTERM']);
  });

  it('asks the demo to stop when npm ended the shell between them', async () => {
    const child = await start(true);
    child.kill('SIGTERM');
    await noted('SIGTERM');
  });

  it('asks the demo to stop when it is killed itself', async () => {
    const child = await start();
    child.kill('SIGKILL');
    await noted('SIGTERM');
    assert.equal(await exitCode(child), null);
  });
});
