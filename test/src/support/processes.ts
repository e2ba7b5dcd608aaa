import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Process ids of a process's children. */
export function childrenOf(pid: number): number[] {
  const path = `/proc/${String(pid)}/task`;
  if (!existsSync(path)) return [];
  return readdirSync(path).flatMap((task) =>
    readFileSync(join(path, task, 'children'), 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** Not so when it has ended and only its parent has not asked for it yet. */
export function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
