import { chmod, copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const STAMP = '.installed';

/** @param {string} root */
export const toolsFolder = (root) => join(root, '.cache/tools');

/**
 * Whether the folder holds what `installBeside` once put there as this version.
 *
 * @param {string} folder
 * @param {string} version
 */
export async function isInstalled(folder, version) {
  return (await readFile(join(folder, STAMP), 'utf8').catch(() => undefined)) === version;
}

/**
 * Fills a folder beside the target and renames it, so that a target is whole or not there.
 *
 * @template T
 * @param {string} target
 * @param {string} version for `isInstalled`
 * @param {(folder: string) => Promise<T>} fill
 * @returns {Promise<T>}
 */
export async function installBeside(target, version, fill) {
  await mkdir(dirname(target), { recursive: true });
  const fresh = await mkdtemp(`${target}.new-`);
  try {
    const result = await fill(fresh);
    await writeFile(join(fresh, STAMP), version);
    await chmod(fresh, 0o755);
    await swap(fresh, target);
    return result;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/**
 * @param {string} fresh
 * @param {string} target
 */
async function swap(fresh, target) {
  const old = `${target}.old-${String(process.pid)}`;
  await rename(target, old).catch(() => undefined);
  await rename(fresh, target);
  await rm(old, { recursive: true, force: true });
}

/**
 * Removes what an interrupted installation left beside the tools.
 *
 * @param {string} root
 */
export async function sweepLeftovers(root) {
  const names = await readdir(toolsFolder(root)).catch(() => []);
  const left = names.filter((name) => /\.(new|old)-/.test(name));
  await Promise.all(left.map((name) => rm(join(toolsFolder(root), name), { recursive: true, force: true })));
}

/**
 * Copies the one file of that name out of an unpacked archive and makes it executable.
 *
 * @param {string} archive
 * @param {string} name
 * @param {string} target
 */
export async function takeExecutable(archive, name, target) {
  const paths = await readdir(archive, { recursive: true });
  const found = paths.find((path) => basename(path) === name);
  if (found === undefined) throw new Error(`it holds no ${name}`);
  await copyFile(join(archive, found), target);
  await chmod(target, 0o755);
}
