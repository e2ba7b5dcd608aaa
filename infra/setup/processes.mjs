import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { birthOf } from './marked.mjs';

/**
 * What a finished program said; `code` is -1 when it could not be started or ran past its limit.
 *
 * @typedef {{ code: number, output: string, stdout: string }} Outcome
 */

/**
 * The mark of all programs that a process runs here: who finds it dead can end them.
 *
 * @param {{ pid: number, born: string }} process
 * @returns {import('./marked.mjs').Mark}
 */
export const markOf = ({ pid, born }) => ({ name: 'LVNET_SET_UP_PROCESS', value: `${String(pid)}-${born}` });

const own = markOf({ pid: process.pid, born: birthOf(process.pid) });

/** Arguments to Node for compilers, linters and the like, which take a quarter less of processor time with them. */
export const shortLived = [
  '--max-semi-space-size=128',
  '--import',
  new URL('compile-late.mjs', import.meta.url).href,
];

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
let isEnded = false;

/**
 * Runs a program to its end in a process group of its own. Never throws.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, limitMs?: number }} [options] limitMs defaults to 10 minutes
 * @returns {Promise<Outcome>}
 */
export function run(command, args, { cwd, env = process.env, limitMs = 600_000 } = {}) {
  if (isEnded) return Promise.resolve({ code: -1, output: `${command}: the set-up was ended.`, stdout: '' });
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env, LC_ALL: 'C', [own.name]: own.value },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(child);
    let output = '';
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (output += text));
    const timer = setTimeout(() => {
      output += `\n${command} ran longer than ${String(limitMs / 1000)} s.`;
      killGroup(child);
    }, limitMs);
    const end = (/** @type {number} */ code, /** @type {string} */ more) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, output: output + more, stdout });
    };
    child.on('error', (error) => {
      end(-1, error.message);
    });
    child.on('close', (code) => {
      end(code ?? -1, '');
    });
  });
}

/** Ends every program that `run` started and that still runs, with what those started; no other is started. */
export function killRunning() {
  isEnded = true;
  for (const child of running) killGroup(child);
}

/** @param {import('node:child_process').ChildProcess} child */
function killGroup(child) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * The first executable of that name in PATH.
 *
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<string | undefined>}
 */
export async function inPath(name, env = process.env) {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const path of folders.map((folder) => join(folder, name))) if (await isExecutable(path)) return path;
  return undefined;
}

/** @param {string} path */
export async function isExecutable(path) {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
