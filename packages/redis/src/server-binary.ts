import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failure } from '@lvnet/core';

const run = promisify(execFile);
const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * The first usable server program: LVNET_REDIS_SERVER, then redis-server or valkey-server in PATH,
 * then the one that the set-up put into the repository's .cache/tools/redis.
 *
 * @throws Failure('TOOL_MISSING') naming what was tried
 */
export async function findRedisServer(
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ path: string; version: string }> {
  const tried: string[] = [];
  for (const path of candidates(env)) {
    const version = await versionOf(path);
    if (version !== undefined && Number.parseInt(version, 10) >= 7) return { path, version };
    if (version !== undefined) tried.push(`${path} (version ${version})`);
  }
  const found = tried.length === 0 ? '' : ` Too old: ${tried.join(', ')}.`;
  throw new Failure(
    'TOOL_MISSING',
    { tool: 'redis-server', tried },
    {
      message: `No redis-server or valkey-server of version 7 or newer was found.${found}`,
      hint: 'Run npx lvnet setup redis, or install redis-server, or set LVNET_REDIS_SERVER.',
    },
  );
}

function candidates(env: NodeJS.ProcessEnv): string[] {
  const given = env['LVNET_REDIS_SERVER'];
  if (given !== undefined && given !== '') return [given];
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const inPath = ['redis-server', 'valkey-server'].flatMap((name) =>
    folders.map((folder) => join(folder, name)),
  );
  return [...inPath, join(repositoryRoot, '.cache/tools/redis/redis-server')];
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return /\bv=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
