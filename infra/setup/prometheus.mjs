import { chmod, copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { installBeside, toolsFolder } from './install.mjs';
import { inPath, isExecutable } from './processes.mjs';
import { firstThatWorks } from './sources.mjs';

const programs = ['prometheus', 'promtool'];
const hint = 'Install prometheus (apt-get install prometheus), or put promtool and prometheus into PATH.';

/**
 * @param {{ root: string, env?: NodeJS.ProcessEnv }} o
 * @returns {Promise<boolean>} whether both programs are there, in PATH or installed
 */
export async function hasPrometheus({ root, env = process.env }) {
  const there = programs.map(
    async (name) =>
      (await isExecutable(join(toolsFolder(root), 'prometheus', name))) ||
      (await inPath(name, env)) !== undefined,
  );
  return (await Promise.all(there)).every(Boolean);
}

/**
 * Puts prometheus and promtool into .cache/tools/prometheus.
 *
 * @param {{ root: string }} o
 * @throws {Problem} with what to install
 */
export async function installPrometheus({ root }) {
  const target = join(toolsFolder(root), 'prometheus');
  const source = { name: 'Debian package', into: takePrograms };
  return firstThatWorks([source], ({ name, into }) => installBeside(target, name, into), {
    what: 'Prometheus',
    hint,
  });
}

/** @param {string} folder */
async function takePrograms(folder) {
  const unpacked = join(folder, 'unpacked');
  await unpackDebian(['prometheus'], { folder: unpacked, withDependencies: false });
  for (const name of programs) {
    await copyFile(join(unpacked, 'usr/bin', name), join(folder, name));
    await chmod(join(folder, name), 0o755);
  }
  await rm(unpacked, { recursive: true });
  return programs.join(' and ');
}
