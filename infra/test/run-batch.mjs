import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { groups } from './files.mjs';
import { runFile, watch } from './run-file.mjs';

/**
 * @typedef {import('./files.mjs').TestFile} TestFile
 * @typedef {import('./run-file.mjs').FileResult} FileResult
 */

/**
 * Runs files of one group in one process, which saves starting and loading for each. Where that process does not
 * end as it should, nobody can tell whose fault it is: then each file runs by itself, and only that counts.
 *
 * @param {readonly TestFile[]} files
 * @param {{ root: string, signal: AbortSignal, limits?: import('./run-file.mjs').Limits }} o
 * @returns {Promise<FileResult[]>}
 */
export async function runBatch(files, o) {
  const results = files.length > 1 ? await runTogether(files, o) : undefined;
  if (results !== undefined) return results;
  const single = [];
  for (const file of files) single.push(await runFile(file, o));
  return single;
}

/**
 * @param {readonly TestFile[]} files
 * @param {{ root: string, signal: AbortSignal, limits?: import('./run-file.mjs').Limits }} o
 * @returns {Promise<FileResult[] | undefined>} undefined where a file is missing, empty or the process ended badly
 */
async function runTogether(files, { root, signal, limits }) {
  const paths = files.map(({ compiled }) => join(root, compiled));
  const group = files[0]?.group ?? 'unit';
  if (!paths.every((path) => existsSync(path))) return undefined;
  /** @type {import('./run-file.mjs').TestResult[]} */
  const all = [];
  const add = (/** @type {import('./run-file.mjs').TestResult} */ test) => all.push(test);
  const { problem, output } = await watch(paths, { root, signal, add, ...groups[group], ...limits });
  const results = files.map(({ name }, i) => {
    const tests = all.filter(({ file }) => file === paths[i]);
    // Nobody can tell which file printed what: shown where there is something to explain.
    const shown = tests.every(({ kind }) => kind === 'passed') ? '' : output;
    return { name, group, tests, ms: tests.reduce((sum, { ms }) => sum + ms, 0), output: shown };
  });
  const counted = results.reduce((sum, { tests }) => sum + tests.length, 0);
  const isWhole =
    problem === undefined && results.every(({ tests }) => tests.length > 0) && counted === all.length;
  return isWhole ? results : undefined;
}
