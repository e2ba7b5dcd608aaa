import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  const options = { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: 120_000, ...more } as const;
  const { status, stdout, stderr, error } = spawnSync(path, args, options);
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

export interface PythonTools {
  kubectl: string;
  hadolint: string;
  kubernetesValidate(args: readonly string[]): ToolResult;
  /** All documents of a YAML text as JSON values. */
  parseYaml(text: string): unknown[];
}

/** The validators that the set-up installed; without them the test skips, in CI it fails. */
export function pythonTools(context: Context): PythonTools {
  const folder = join(toolsFolder, 'python');
  if (!existsSync(folder))
    return skip(context, 'no validators (python3 with pip, then npm run setup -- --test)');
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

/** Skips where a tool is missing, and fails where CI is set. */
export function skip(context: Context, why: string): never {
  if (process.env['CI'] !== undefined) throw new Error(`CI needs every tool: ${why}`);
  process.stderr.write(`      skipped: ${why}\n`);
  context.skip();
}
