import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { withDeadline } from '@lvnet/core';
import { repository } from '../support/data.js';
import { say } from './support.js';

/** Generous: a compiled step takes minutes the first time. */
const answerMs = 30 * 60_000;
const installMs = 60 * 60_000;

/** PyTorch in a process of its own, asked by lines of JSON; see pytorch.py. */
export interface PyTorch extends AsyncDisposable {
  ask<T>(command: Record<string, unknown>): Promise<T>;
}

/** Installs the pinned PyTorch into .cache/venv-torch at the first call; LVNET_TORCH_PYTHON names another Python. */
export async function startPyTorch(): Promise<PyTorch> {
  const python = await findTorchPython();
  const script = join(repository, 'test/src/bench/pytorch.py');
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask<T>(command: Record<string, unknown>): Promise<T> {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const line = await within(answerMs, `PyTorch's answer to ${String(command['do'])}`, lines.next());
      if (line.done === true) throw new Error('PyTorch ended; its last words are above');
      return JSON.parse(line.value) as T;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended(child);
    },
  };
}

/** A Python with PyTorch: the one that LVNET_TORCH_PYTHON names, else one installed at the first call. */
export const findTorchPython = async (): Promise<string> =>
  process.env['LVNET_TORCH_PYTHON'] ?? (await installed());

async function installed(): Promise<string> {
  const folder = join(repository, '.cache/venv-torch');
  const python = join(folder, 'bin/python');
  const stamp = join(folder, 'complete');
  if (existsSync(stamp)) return python;
  say('Installing PyTorch into .cache/venv-torch (some gigabytes, once) ...');
  await run('python3', ['-m', 'venv', '--clear', folder]);
  await run(python, ['-m', 'pip', 'install', '-q', '-r', join(repository, 'test/golden/requirements.txt')]);
  await run(python, ['-c', `open(${JSON.stringify(stamp)}, 'w').close()`]);
  return python;
}

async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await within(installMs, command, ended(child));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}`);
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });

const within = <T>(ms: number, what: string, wait: Promise<T>): Promise<T> =>
  withDeadline(what, ms, () => wait);
