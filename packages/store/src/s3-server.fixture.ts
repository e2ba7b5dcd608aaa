import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { sleep } from '@lvnet/core';

export interface S3Server extends AsyncDisposable {
  kind: 'versitygw' | 'rclone';
  endpoint: string;
  env: NodeJS.ProcessEnv;
  bucket: string;
  stop(): Promise<void>;
}

/** The S3 server that the set-up installed; undefined without one. */
export function findS3Server(): { kind: 'versitygw' | 'rclone'; path: string } | undefined {
  const cached = fileURLToPath(new URL('../../../.cache/tools/s3', import.meta.url));
  const given = process.env['LVNET_S3_SERVER'];
  const folders = [cached, ...(process.env['PATH'] ?? '').split(delimiter)];
  const candidates = [
    ...(given === undefined ? [] : [given]),
    ...['versitygw', 'rclone'].flatMap((name) => folders.map((folder) => join(folder, name))),
  ];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  return { kind: path.includes('rclone') ? 'rclone' : 'versitygw', path };
}

const accessKey = 'lvnet-test-key';

/** A real S3 server on loopback over a temporary folder. */
export async function startS3Server(): Promise<S3Server> {
  const found = findS3Server();
  if (found === undefined) throw new Error('no S3 server: run npm run setup -- --test');
  for (let tried = 1; ; tried++) {
    const server = await startOn(await freePort(), found);
    if (server !== undefined) return server;
    if (tried === 5) throw new Error(`${found.path} ended at its start, five times`);
  }
}

/** undefined: it ended, as where somebody was quicker to take the port. */
async function startOn(
  port: number,
  found: { kind: S3Server['kind']; path: string },
): Promise<S3Server | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'lvnet-s3-'));
  await mkdir(join(folder, 'data'));
  await mkdir(join(folder, 'sidecar'));
  // Its own, so that another server, which was quicker to take the port, answers nothing.
  const secretKey = `lvnet-test-${randomBytes(8).toString('hex')}`;
  const address = `127.0.0.1:${String(port)}`;
  const args =
    found.kind === 'versitygw'
      ? ['--port', address, '--quiet', 'posix', '--sidecar', join(folder, 'sidecar'), join(folder, 'data')]
      : ['serve', 's3', '--addr', address, '--auth-key', `${accessKey},${secretKey}`, join(folder, 'data')];
  const child = spawn(found.path, args, {
    env: { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
    stdio: 'ignore',
  });
  let isGone = false;
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      isGone = true;
      resolve();
    }),
  );
  const stop = async () => {
    child.kill('SIGKILL');
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  const endpoint = `http://${address}`;
  const bucket = 'lvnet-test';
  const isMade = await makeBucket(endpoint, secretKey, bucket, () => isGone).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  if (!isMade) {
    await stop();
    return undefined;
  }
  const env = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_REGION: 'us-east-1',
  };
  return { kind: found.kind, endpoint, env, bucket, stop, [Symbol.asyncDispose]: stop };
}

/** False where the server is gone. */
async function makeBucket(
  endpoint: string,
  secretKey: string,
  bucket: string,
  isGone: () => boolean,
): Promise<boolean> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  try {
    for (let attempt = 0; !isGone(); attempt++) {
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
        return true;
      } catch (error) {
        if (attempt > 100) throw error;
        await sleep(100);
      }
    }
    return false;
  } finally {
    client.destroy();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
