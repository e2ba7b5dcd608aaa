import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { birthOf, killMarked } from './marked.mjs';
import { Problem } from './problem.mjs';
import { markOf } from './processes.mjs';

const POLL_MS = 100;

/** @param {string} root */
export const setUpLock = (root) => join(root, '.cache/setup.lock');

/**
 * Runs `work` while holding the lock file, which names its owner. A dead owner's lock is taken over, after the
 * programs that it ran and that survived it were ended.
 *
 * @template T
 * @param {string} path
 * @param {{ onWait?: (pid: number) => void, limitMs?: number }} options
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, { onWait = () => undefined, limitMs = 1_800_000 }, work) {
  await mkdir(dirname(path), { recursive: true });
  await acquire(path, onWait, limitMs);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * @param {string} path
 * @param {(pid: number) => void} onWait
 * @param {number} limitMs
 */
async function acquire(path, onWait, limitMs) {
  const endMs = performance.now() + limitMs;
  let told = false;
  while (!(await create(path))) {
    const owner = await readOwner(path);
    if (owner !== undefined && !isAlive(owner)) {
      await removeDead(path, owner);
      continue;
    }
    if (owner !== undefined && !told) onWait(owner.pid);
    told ||= owner !== undefined;
    if (performance.now() > endMs)
      throw new Problem(`Another set-up holds ${path} for too long.`, 'End it, then run this again.');
    await sleep(POLL_MS);
  }
}

/**
 * A link, so that the lock appears together with its owner's name.
 *
 * @param {string} path
 * @returns {Promise<boolean>} false when somebody has it
 */
async function create(path) {
  const draft = `${path}.${String(process.pid)}`;
  await writeFile(draft, JSON.stringify({ pid: process.pid, born: birthOf(process.pid) }));
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * @typedef {{ pid: number, born: string }} Owner
 * @param {string} path
 * @returns {Promise<Owner | undefined>} undefined when it is gone
 */
async function readOwner(path) {
  try {
    return /** @type {Owner} */ (JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** @param {Owner} owner */
function isAlive({ pid, born }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
  return birthOf(pid) === born;
}

/**
 * Under a guard: of two waiters that see a dead owner, the later one must not remove the earlier one's new lock.
 *
 * @param {string} path
 * @param {Owner} dead
 */
async function removeDead(path, dead) {
  const guard = `${path}.takeover`;
  if (await create(guard)) {
    const now = await readOwner(path);
    if (now?.pid === dead.pid && now.born === dead.born) {
      await killMarked(markOf(dead));
      await rm(path, { force: true });
    }
    await rm(guard, { force: true });
    return;
  }
  const holder = await readOwner(guard);
  if (holder !== undefined && !isAlive(holder)) await rm(guard, { force: true });
  await sleep(POLL_MS);
}
