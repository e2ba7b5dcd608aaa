import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { killMarked, leftovers } from '../setup/marked.mjs';
import { groups } from './files.mjs';

/** How long a file may stay after its last test, and what it started after the file. */
const EXIT_MS = 10_000;
const DRAIN_MS = 1_000;
const OUTPUT_CHARS = 20_000;
const reporter = fileURLToPath(new URL('reporter.cjs', import.meta.url));
const compileLate = `--import ${new URL('../setup/compile-late.mjs', import.meta.url).href}`;

/**
 * @typedef {{ kind: 'passed' | 'failed' | 'skipped', title: string, ms: number, error?: string, file?: string }} TestResult
 *   file: path of the compiled file, told by mocha
 * @typedef {{ name: string, group: string, ms: number, tests: TestResult[], output: string }} FileResult
 *   output: the end of what the file printed, for people
 * @typedef {{ testMs?: number, fileMs?: number, exitMs?: number }} Limits in place of the group's
 */

/**
 * Runs one compiled test file with mocha in a process of its own. Whatever it does, the result has it: a file
 * that hangs, dies, holds no test or leaves a process behind counts a failed test of that name; nothing that it
 * started is left.
 *
 * @param {import('./files.mjs').TestFile} file
 * @param {{ root: string, signal: AbortSignal, onTest?: (test: TestResult) => void, limits?: Limits }} o
 * @returns {Promise<FileResult>}
 */
export async function runFile({ name, group, compiled }, { root, signal, onTest = () => undefined, limits }) {
  const startMs = performance.now();
  /** @type {TestResult[]} */
  const tests = [];
  const add = (/** @type {TestResult} */ test) => {
    tests.push(test);
    onTest(test);
  };
  const path = join(root, compiled);
  const { problem, output } = existsSync(path)
    ? await watch([path], { root, signal, add, ...groups[group], ...limits })
    : { problem: `${compiled} was not compiled`, output: '' };
  const error = problem ?? (tests.length === 0 ? 'It holds no test.' : undefined);
  if (error !== undefined) add({ kind: 'failed', title: `${name} as a whole`, ms: 0, error });
  return { name, group, ms: performance.now() - startMs, tests, output };
}

/**
 * Runs compiled files in one process with mocha and tells of each test; nothing that they started is left.
 *
 * @param {readonly string[]} paths
 * @param {{ root: string, signal: AbortSignal, add: (test: TestResult) => void, testMs: number, fileMs: number, exitMs?: number }} o
 * @returns {Promise<{ problem: string | undefined, output: string }>} problem: what kept them from a proper end
 */
export async function watch(paths, { root, signal, add, testMs, fileMs, exitMs = EXIT_MS }) {
  const mark = { name: 'LVNET_TEST_PROCESS', value: randomUUID() };
  const child = startMocha(paths, { root, testMs, mark });
  const output = keepOutput(child);
  const limit = limitOf(child, signal);
  limit.set(fileMs, `It took longer than ${String(fileMs / 1000)} s and was ended.`);
  let complete = false;
  const isComplete = () => complete;
  const heard = listen(child, (fact) => {
    if (fact.kind !== 'end') {
      add(fact);
      return;
    }
    complete = true;
    limit.set(
      exitMs,
      `Its tests ended, it did not within ${String(exitMs / 1000)} s: something is still open.`,
    );
  });
  const how = await exitOf(child);
  limit.release();
  const left = await leftovers(mark, limit.problem() === undefined ? exitMs : 0);
  await killMarked(mark);
  await Promise.race([heard, sleep(DRAIN_MS)]);
  const problem =
    limit.problem() ?? (isComplete() ? wordsOn(left) : `It ended before its tests did (${how}).`);
  return { problem, output: output() };
}

/** @param {readonly { pid: number, command: string }[]} left */
const wordsOn = (left) =>
  left.length === 0
    ? undefined
    : `It left processes behind: ${left.map(({ pid, command }) => `${String(pid)} ${command}`).join('; ')}`;

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {() => string} the end of what it printed so far
 */
function keepOutput(child) {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream
      ?.setEncoding('utf8')
      .on('data', (/** @type {string} */ text) => (output = (output + text).slice(-OUTPUT_CHARS)));
  return () => output;
}

/**
 * Ends the process when the time runs out or the signal aborts, and remembers why.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {AbortSignal} signal
 */
function limitOf(child, signal) {
  /** @type {string | undefined} */
  let problem;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const end = (/** @type {string} */ why) => {
    problem ??= why;
    child.kill('SIGKILL');
  };
  const abort = () => {
    end('It was interrupted.');
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return {
    problem: () => problem,
    set(/** @type {number} */ ms, /** @type {string} */ why) {
      clearTimeout(timer);
      timer = setTimeout(end, ms, why);
    },
    release() {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {(fact: TestResult | { kind: 'end' }) => void} onFact
 * @returns {Promise<void>} when everything has been heard
 */
function listen(child, onFact) {
  const facts = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdio[3]) });
  facts.on('line', (line) => {
    onFact(/** @type {TestResult | { kind: 'end' }} */ (JSON.parse(line)));
  });
  return new Promise((resolve) => {
    facts.once('close', resolve);
  });
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<string>} how it ended
 */
function exitOf(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('exit', (code, signal) => {
      resolve(signal ?? `exit code ${String(code)}`);
    });
  });
}

/**
 * @param {readonly string[]} paths
 * @param {{ root: string, testMs: number, mark: import('../setup/marked.mjs').Mark }} o
 */
function startMocha(paths, { root, testMs, mark }) {
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
  const options = ['--no-config', '--no-package', '--reporter', reporter, '--timeout', String(testMs)];
  return spawn(process.execPath, ['--enable-source-maps', mocha, ...options, ...paths], {
    cwd: root,
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${compileLate}`.trimStart(),
      [mark.name]: mark.value,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
}
