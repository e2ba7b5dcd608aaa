import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const bin = fileURLToPath(new URL('../bin/lvnet.js', import.meta.url));
const repository = fileURLToPath(new URL('../../../', import.meta.url));

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

export interface RunningCli {
  child: ChildProcess;
  ended: Promise<CliResult>;
  /** Resolves when stderr matches; rejects when the command ends first. */
  until(pattern: RegExp): Promise<void>;
}

/** A folder that goes away with the suite, with a home of its own in it. */
export function cliFolder(): { path: (...names: string[]) => string; options: () => CliOptions } {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lvnet-cli-'));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return {
    path: (...names) => join(folder, ...names),
    options: () => ({ cwd: folder, env: { HOME: join(folder, 'home') } }),
  };
}

/** Starts the real program with nothing of the caller's cluster in its environment. */
export function startCli(args: readonly string[], o: CliOptions = {}): RunningCli {
  const clean = Object.entries(process.env).filter(([name]) => !/^(LVNET|AWS)_/.test(name));
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: o.cwd,
    env: { ...Object.fromEntries(clean), ...o.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const result: CliResult = { code: null, stdout: '', stderr: '' };
  let onText: () => void = () => undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text;
    onText();
  });
  const ended = once(child, 'close').then(() => ({ ...result, code: child.exitCode }));
  const until = async (pattern: RegExp) => {
    const seen = new Promise<void>((resolve) => {
      onText = () => {
        if (pattern.test(result.stderr)) resolve();
      };
      onText();
    });
    const early = ended.then(({ stderr }) => {
      throw new Error(`the command ended before ${String(pattern)}:\n${stderr}`);
    });
    await Promise.race([seen, early]);
  };
  return { child, ended, until };
}

export const runCli = (args: readonly string[], o: CliOptions = {}): Promise<CliResult> =>
  startCli(args, o).ended;

/** The one JSON document on stdout; the caller says what it must be. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
export function documentOf<T>(result: CliResult): T {
  return JSON.parse(result.stdout) as T;
}

export interface ErrorDocument {
  error: { code: string; message: string; hint: string; details: Record<string, unknown> };
}

/** Every file below a folder, '/'-separated, in order. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Real CT beside the repository; without it the suite skips and says so, in CI it fails. */
export function realData(): { path: (...names: string[]) => string } {
  const root = process.env['LVNET_TEST_DATA'] ?? join(repository, '..', 'shared', 'data');
  before(function () {
    if (existsSync(root)) return;
    if (process.env['CI'] !== undefined) throw new Error(`${root} is missing: CI needs the real scans`);
    process.stderr.write(`      skipped: no real scans in ${root} (set LVNET_TEST_DATA)\n`);
    this.skip();
  });
  return { path: (...names) => join(root, ...names) };
}
