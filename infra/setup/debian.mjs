import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inPath, run } from './processes.mjs';

/** Package lists of our own: no root needed, nothing of the machine changed. */
/** @type {Promise<string> | undefined} */
let lists;

/** One at a time: they share the lists. */
/** @type {Promise<unknown>} */
let queue = Promise.resolve();

/**
 * Unpacks Debian packages into a folder, with those of their dependencies that the machine lacks.
 *
 * @param {readonly string[]} packages
 * @param {{ folder: string, withDependencies: boolean }} o
 * @returns {Promise<void>}
 * @throws with what is missing or apt's last line
 */
export function unpackDebian(packages, { folder, withDependencies }) {
  const turn = queue.then(() => unpackInTurn(packages, { folder, withDependencies }));
  queue = turn.catch(() => undefined);
  return turn;
}

/** @type {typeof unpackDebian} */
async function unpackInTurn(packages, { folder, withDependencies }) {
  const options = await aptOptions();
  const names = withDependencies ? await missing(packages, options) : packages;
  const downloads = join(folder, 'deb');
  await mkdir(downloads, { recursive: true });
  await apt([...options, 'download', ...names], downloads);
  for (const name of await readdir(downloads)) {
    const { code, output } = await run('dpkg', ['-x', join(downloads, name), folder]);
    if (code !== 0) throw new Error(reason(output));
  }
  await rm(downloads, { recursive: true });
}

/**
 * Makes a program that was unpacked with its libraries runnable from where it lies.
 *
 * @param {string} folder that of `unpackDebian`
 * @param {string} program path in the package, as "usr/bin/redis-server"
 * @param {string} name of the launcher, in the folder
 */
export async function launchFrom(folder, program, name) {
  const launcher = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
for libraries in "$here"/usr/lib/*-linux-gnu "$here"/lib/*-linux-gnu; do
  LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$here/${program}" "$@"
`;
  await writeFile(join(folder, name), launcher);
  await chmod(join(folder, name), 0o755);
}

/** Drops the package lists (tens of megabytes) that `unpackDebian` fetched. */
export async function forgetDebianLists() {
  const folder = await lists?.catch(() => undefined);
  lists = undefined;
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}

async function aptOptions() {
  for (const name of ['apt-get', 'dpkg'])
    if ((await inPath(name)) === undefined) throw new Error(`${name} is not there`);
  lists ??= fetchLists();
  return optionsFor(await lists);
}

async function fetchLists() {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-apt-'));
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  await mkdir(join(folder, 'archives/partial'), { recursive: true });
  try {
    await apt([...optionsFor(folder), 'update'], folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** @param {string} folder */
const optionsFor = (folder) => [
  '-qq',
  ...['-o', `Dir::State::lists=${folder}/lists`, '-o', `Dir::Cache=${folder}`],
  ...['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User='],
  ...['-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30'],
];

/**
 * @param {readonly string[]} packages
 * @param {readonly string[]} options
 */
async function missing(packages, options) {
  const plan = ['--simulate', 'install', '--no-install-recommends', ...packages];
  const { stdout } = await apt([...options, ...plan]);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
  return [...new Set([...packages, ...names])];
}

/**
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
async function apt(args, cwd) {
  const outcome = await run('apt-get', args, cwd === undefined ? {} : { cwd });
  if (outcome.code !== 0) throw new Error(reason(outcome.output));
  return outcome;
}

const reason = (/** @type {string} */ output) =>
  output.split('\n').find((line) => line.startsWith('E:')) ??
  output.trim().split('\n').at(-1) ??
  'apt failed';
