import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem, lastLines } from './problem.mjs';
import { run } from './processes.mjs';

/** Inside the folder that npm ci removes first, so that an interrupted installation has none. */
const STAMP = 'node_modules/.lvnet-installed';

/** @param {{ root: string }} o */
export async function hasDependencies({ root }) {
  const stamp = await readFile(join(root, STAMP), 'utf8').catch(() => undefined);
  return stamp === (await wanted(root));
}

/**
 * npm ci; dependencies' install scripts do not run (.npmrc).
 *
 * @param {{ root: string }} o
 * @throws {Problem}
 */
export async function installDependencies({ root }) {
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const { code, output } = await run('npm', args, { cwd: root });
  if (code !== 0)
    throw new Problem(
      'npm ci failed.',
      'npm and its registry are needed once: see the lines above, and npm config get registry, proxy.',
      lastLines(output),
    );
  await writeFile(join(root, STAMP), await wanted(root));
}

/** @param {string} root */
async function wanted(root) {
  const lock = await readFile(join(root, 'package-lock.json'));
  const machine = `${process.platform} ${process.arch} ${process.versions.modules}`;
  return createHash('sha256').update(lock).update(machine).digest('hex');
}
