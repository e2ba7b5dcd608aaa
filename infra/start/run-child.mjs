import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { onShellGone } from '../setup/stop.mjs';

/** npm passes a terminal's Ctrl-C on although we heard it too; the child takes a second one as "at once". */
const SAME_SIGNAL_MS = 500;

/**
 * Runs a Node program in a process group of its own, so that every signal reaches it once and from here only;
 * it decides what a signal means. When we are killed it is asked to stop.
 *
 * @param {readonly string[]} command the program's path and its arguments
 * @returns {Promise<number>} its exit code; 128 and the signal's number where a signal ended it
 */
export function runChild(command) {
  const watch = new URL('end-with-parent.mjs', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', watch, ...command], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, LVNET_PARENT_PIPE: '3' },
    detached: true,
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) passOn(signal, child);
  const release = onShellGone(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      release();
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']);
    });
  });
}

/**
 * @param {NodeJS.Signals} signal
 * @param {import('node:child_process').ChildProcess} child
 */
function passOn(signal, child) {
  let lastMs = -Infinity;
  process.on(signal, () => {
    const nowMs = performance.now();
    if (nowMs - lastMs < SAME_SIGNAL_MS) return;
    lastMs = nowMs;
    child.kill(signal);
  });
}
