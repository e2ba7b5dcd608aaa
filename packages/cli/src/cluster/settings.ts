import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Failure } from '@lvnet/core';

/** Where a cluster is: from the environment, else from the local cluster that is up in this folder. */
export interface ClusterSettings {
  redisUrl: string;
  tensorRedisUrl: string;
  storeUrl: string;
}

/** What `lvnet up` leaves for other commands, in `.lvnet/cluster.json`. */
export interface ClusterFile extends ClusterSettings {
  pid: number;
  page: string;
}

export const clusterFilePath = (folder: string): string => join(folder, '.lvnet', 'cluster.json');

/**
 * @throws Failure('ARGUMENT_INVALID') when nothing says where the cluster is
 */
export function readSettings(env: NodeJS.ProcessEnv = process.env, folder = process.cwd()): ClusterSettings {
  const local = findClusterFile(folder);
  const redisUrl = env['LVNET_REDIS_URL'] ?? local?.redisUrl;
  const storeUrl = env['LVNET_STORE'] ?? local?.storeUrl;
  if (redisUrl === undefined || storeUrl === undefined) throw nowhere(redisUrl, storeUrl);
  const tensorRedisUrl =
    env['LVNET_TENSOR_REDIS_URL'] ??
    (env['LVNET_REDIS_URL'] === undefined ? local?.tensorRedisUrl : undefined) ??
    redisUrl;
  return { redisUrl, tensorRedisUrl, storeUrl };
}

/** Only the store: enough to look at what is finished. */
export function readStoreUrl(env: NodeJS.ProcessEnv = process.env, folder = process.cwd()): string {
  const url = env['LVNET_STORE'] ?? findClusterFile(folder)?.storeUrl;
  if (url === undefined) throw nowhere('', undefined);
  return url;
}

function findClusterFile(folder: string): ClusterFile | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = clusterFilePath(at);
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
    if (dirname(at) === at) return undefined;
  }
}

function nowhere(redisUrl: string | undefined, storeUrl: string | undefined): Failure {
  const missing = [
    ...(redisUrl === undefined ? ['LVNET_REDIS_URL'] : []),
    ...(storeUrl === undefined ? ['LVNET_STORE'] : []),
  ];
  return new Failure(
    'ARGUMENT_INVALID',
    { missing },
    {
      message: `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set and no local cluster is up here.`,
      hint: 'Start one in this folder with `npx lvnet up`, or set the variables.',
    },
  );
}
