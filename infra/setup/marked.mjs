import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Processes inherit their environment, in whatever group they run: a variable set for one marks all that it starts.
 *
 * @typedef {{ name: string, value: string }} Mark
 * @typedef {{ pid: number, command: string }} Found
 */

/**
 * Processes that carry the mark and still run, after some time to end by themselves.
 *
 * @param {Mark} mark
 * @param {number} graceMs
 * @returns {Promise<Found[]>}
 */
export async function leftovers(mark, graceMs) {
  const endMs = performance.now() + graceMs;
  for (;;) {
    const found = marked(mark);
    if (found.length === 0 || performance.now() > endMs) return found;
    await sleep(POLL_MS);
  }
}

/**
 * Kills until none is left: a process may start another one while it is being looked for.
 *
 * @param {Mark} mark
 */
export async function killMarked(mark) {
  for (let found = marked(mark); found.length > 0; found = marked(mark)) {
    for (const { pid } of found) kill(pid);
    await sleep(POLL_MS);
  }
}

/**
 * When a process was started, in clock ticks since boot: process ids come round again, above all in containers.
 *
 * @param {number} pid
 * @returns {string} empty where there is none or it has ended
 */
export function birthOf(pid) {
  const stat = read(String(pid), 'stat');
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' ? '' : (rest[18] ?? '');
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** @param {Mark} mark */
function marked({ name, value }) {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  return pids
    .filter((pid) => `\0${read(pid, 'environ')}`.includes(`\0${name}=${value}\0`))
    .map((pid) => ({
      pid: Number(pid),
      command: read(pid, 'cmdline').replaceAll('\0', ' ').trim().slice(0, 200),
    }));
}

/**
 * @param {string} pid
 * @param {string} file
 */
function read(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // ended, or somebody else's
  }
}
