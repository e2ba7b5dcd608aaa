import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../setup/processes.mjs';

/** @param {string} root */
const rawFolder = (root) => join(root, 'coverage/raw');

/**
 * Every Node process that starts from now on writes what it ran.
 *
 * @param {string} root
 */
export async function startCoverage(root) {
  await rm(join(root, 'coverage'), { recursive: true, force: true });
  await mkdir(rawFolder(root), { recursive: true });
  process.env['NODE_V8_COVERAGE'] = rawFolder(root);
}

/**
 * Writes coverage/index.html and prints the totals.
 *
 * @param {string} root
 */
export async function reportCoverage(root) {
  delete process.env['NODE_V8_COVERAGE'];
  const c8 = join(root, 'node_modules/c8/bin/c8.js');
  const reports = [
    '--reporter',
    'html',
    '--reporter',
    'text-summary',
    '--reports-dir',
    join(root, 'coverage'),
  ];
  const args = [c8, 'report', '--temp-directory', rawFolder(root), ...reports, '--exclude', '**/*.test.ts'];
  const { output } = await run(process.execPath, args, { cwd: root });
  process.stdout.write(`\n${output.trim()}\n`);
  await rm(rawFolder(root), { recursive: true });
}
