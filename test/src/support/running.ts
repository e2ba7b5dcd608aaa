import { readFileSync } from 'node:fs';

/** Not so when it has ended and only its parent has not asked for it yet. */
export function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
