import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { repository } from './data.js';

export const lvnetPath = join(repository, 'packages/cli/bin/lvnet.js');

export interface CommandResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs one lvnet command to its end; `onStderr` sees what it says meanwhile and may signal it. */
export async function lvnet(
  args: readonly string[],
  o: {
    env?: NodeJS.ProcessEnv;
    cwd?: string;
    input?: string;
    limitMs?: number;
    onStderr?: (text: string, interrupt: (signal: NodeJS.Signals) => void) => void;
  } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [lvnetPath, ...args], {
    ...(o.env === undefined ? {} : { env: o.env }),
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    stdio: 'pipe',
    timeout: o.limitMs ?? 60_000,
    killSignal: 'SIGKILL',
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
    o.onStderr?.(said.stderr, (signal) => child.kill(signal));
  });
  child.stdin.end(o.input ?? '');
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, ...said };
}
