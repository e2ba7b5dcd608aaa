import { availableParallelism } from 'node:os';
import { onStop } from '../setup/stop.mjs';
import { groups } from './files.mjs';
import { runBatch } from './run-batch.mjs';
import { runFile } from './run-file.mjs';

/**
 * @typedef {import('./files.mjs').TestFile} TestFile
 * @typedef {import('./run-file.mjs').FileResult} FileResult
 * @typedef {{ root: string, signal: AbortSignal, write: (text: string) => void }} Work
 */

/**
 * Runs the files group by group and tells of each as it ends. Ctrl-C ends everything and exits with 130.
 *
 * @param {readonly TestFile[]} files
 * @param {{ root: string, write: (text: string) => void }} o
 * @returns {Promise<FileResult[]>}
 */
export async function runGroups(files, { root, write }) {
  const { signal, release } = stopOnSignals();
  const results = [];
  for (const [group, { parallel }] of Object.entries(groups)) {
    const chosen = files.filter((file) => file.group === group);
    if (chosen.length === 0) continue;
    write(`\n${group}\n`);
    const startMs = performance.now();
    const work = { root, signal, write };
    results.push(...(await (parallel ? runLanes(chosen, work) : runOneByOne(chosen, work))));
    write(`  ${group} took ${seconds(performance.now() - startMs)}\n`);
  }
  release();
  return results;
}

/**
 * Each package's files in one process, as many processes as there are processors, large packages first.
 *
 * @param {readonly TestFile[]} files
 * @param {Work} work
 */
async function runLanes(files, { root, signal, write }) {
  /** @type {Map<string, TestFile[]>} */
  const byPackage = new Map();
  for (const file of files) {
    const name = file.name.split('/')[0] ?? '';
    byPackage.set(name, [...(byPackage.get(name) ?? []), file]);
  }
  const waiting = [...byPackage.values()].sort((a, b) => b.length - a.length);
  /** @type {FileResult[]} */
  const results = [];
  const lane = async () => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      const done = await runBatch(batch, { root, signal });
      results.push(...done);
      for (const result of done) write(fileLine(result, false));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return results;
}

/**
 * @param {readonly TestFile[]} files
 * @param {Work} work
 */
async function runOneByOne(files, { root, signal, write }) {
  const results = [];
  for (const file of files) {
    write(`  ${file.name}\n`);
    const onTest = (/** @type {import('./run-file.mjs').TestResult} */ test) => {
      write(testLine(test));
    };
    const result = await runFile(file, { root, signal, onTest });
    write(fileLine(result, true));
    results.push(result);
  }
  return results;
}

const marks = { passed: '✓', failed: '✗', skipped: '-' };

/** @param {import('./run-file.mjs').TestResult} test */
const testLine = ({ kind, title, ms }) =>
  `    ${marks[kind]} ${title}${ms >= 1000 ? ` (${seconds(ms)})` : ''}\n`;

/**
 * The file's line, and under it why tests were skipped, and all that it printed where a test failed.
 *
 * @param {FileResult} result
 * @param {boolean} live
 */
function fileLine({ name, tests, ms, output }, live) {
  const counts = /** @type {const} */ (['passed', 'failed', 'skipped'])
    .map((kind) => ({ kind, count: tests.filter((test) => test.kind === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${String(count)} ${kind}`)
    .join(', ');
  const failed = tests.some(({ kind }) => kind === 'failed');
  const shown = output.split('\n').filter((line) => failed || /^\s*skipped: /.test(line));
  const printed = shown.map((line) => `      ${line.trimEnd()}\n`.replace(/^ +\n$/, '')).join('');
  const line = live
    ? `    ${counts}, ${seconds(ms)}`
    : `  ${marks[failed ? 'failed' : 'passed']} ${name}: ${counts}, ${seconds(ms)}`;
  return `${line}\n${printed}`;
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
