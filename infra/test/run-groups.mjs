import { availableParallelism } from 'node:os';
import { onStop } from '../setup/stop.mjs';
import { alone } from './files.mjs';
import { runBatch } from './run-batch.mjs';
import { runFile } from './run-file.mjs';

/**
 * @typedef {import('./files.mjs').TestFile} TestFile
 * @typedef {import('./run-file.mjs').FileResult} FileResult
 * @typedef {import('./run-file.mjs').TestResult} TestResult
 * @typedef {{ signal: AbortSignal, write: (text: string) => void, startMs: number, lanes: number }} Work
 */

/**
 * Runs the files in as many lanes as there are processors and tells of each as it ends: first the unit tests,
 * each package's in one process, then the others, each file in a process of its own, and last those that bear no
 * neighbour. Ctrl-C ends everything and exits with 130.
 *
 * @param {readonly TestFile[]} files in the order in which they are begun
 * @param {{ root: string, write: (text: string) => void }} o
 * @returns {Promise<FileResult[]>}
 */
export async function runGroups(files, { root, write }) {
  const { signal, release } = stopOnSignals();
  const work = { signal, write, startMs: performance.now() };
  const units = files.filter(({ group }) => group === 'unit');
  const quiet = files.filter(({ name }) => alone.includes(name));
  const others = files.filter((file) => !units.includes(file) && !quiet.includes(file));
  const runBatchOfUnits = async (/** @type {TestFile[]} */ batch) => {
    const done = await runBatch(batch, { root, signal });
    for (const result of done) write(fileLine(result));
    return done;
  };
  const runOne = async (/** @type {TestFile} */ file) => {
    // The tests of two files would mix: told one by one only where there is one.
    const isLive = files.length === 1;
    const onTest = (/** @type {TestResult} */ test) => {
      if (isLive) write(testLine(test));
    };
    const result = await runFile(file, { root, signal, onTest });
    write(`${fileLine(result)}${isLive ? '' : result.tests.map(testLine).join('')}`);
    return [result];
  };
  const results = [
    ...(await stage('unit', byPackage(units), { ...work, lanes: availableParallelism() }, runBatchOfUnits)),
    // Most files start several busy processes of their own, and wait for some now and then: one lane more than
    // processors leaves none of them idle.
    ...(await stage(
      'integration, chaos, repository',
      others,
      { ...work, lanes: Math.min(4, availableParallelism() + 1) },
      runOne,
    )),
    ...(await stage('one by one', quiet, { ...work, lanes: 1 }, runOne)),
  ];
  release();
  return results;
}

/**
 * @template T
 * @param {string} title
 * @param {readonly T[]} items
 * @param {Work} work
 * @param {(item: T) => Promise<FileResult[]>} runOne
 * @returns {Promise<FileResult[]>}
 */
async function stage(title, items, { signal, write, startMs, lanes }, runOne) {
  if (items.length === 0) return [];
  write(`\n${title}\n`);
  const beganMs = performance.now();
  const waiting = [...items];
  /** @type {FileResult[]} */
  const results = [];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined && !signal.aborted; item = waiting.shift())
      results.push(...(await runOne(item)));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  write(`  took ${seconds(performance.now() - beganMs)}, ${seconds(performance.now() - startMs)} in all\n`);
  return results;
}

/**
 * @param {readonly TestFile[]} files
 * @returns {TestFile[][]} large packages first
 */
function byPackage(files) {
  /** @type {Map<string, TestFile[]>} */
  const packages = new Map();
  for (const file of files) {
    const name = file.name.split('/')[0] ?? '';
    packages.set(name, [...(packages.get(name) ?? []), file]);
  }
  return [...packages.values()].sort((a, b) => b.length - a.length);
}

const marks = { passed: '✓', failed: '✗', skipped: '-' };

/** @param {import('./run-file.mjs').TestResult} test */
const testLine = ({ kind, title, ms }) =>
  `    ${marks[kind]} ${title}${ms >= 1000 ? ` (${seconds(ms)})` : ''}\n`;

/**
 * The file's line, and under it why tests were skipped, and all that it printed where a test failed.
 *
 * @param {FileResult} result
 */
function fileLine({ name, tests, ms, output }) {
  const counts = /** @type {const} */ (['passed', 'failed', 'skipped'])
    .map((kind) => ({ kind, count: tests.filter((test) => test.kind === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${String(count)} ${kind}`)
    .join(', ');
  const failed = tests.some(({ kind }) => kind === 'failed');
  const shown = output.split('\n').filter((line) => failed || /^\s*skipped: /.test(line));
  const printed = shown.map((line) => `      ${line.trimEnd()}\n`.replace(/^ +\n$/, '')).join('');
  return `  ${marks[failed ? 'failed' : 'passed']} ${name}: ${counts}, ${seconds(ms)}\n${printed}`;
}

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;

function stopOnSignals() {
  const controller = new AbortController();
  let stoppedWith = 0;
  const off = onStop((exitCode) => {
    stoppedWith = exitCode;
    controller.abort();
  });
  const release = () => {
    off();
    if (stoppedWith !== 0) process.exit(stoppedWith);
  };
  return { signal: controller.signal, release };
}
