import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '@lvnet/core';

export interface LoopbackS3 extends AsyncDisposable {
  endpoint: string;
  /** Right credentials for it. */
  env: NodeJS.ProcessEnv;
}

const installed = fileURLToPath(new URL('../../../.cache/tools/s3', import.meta.url));
const [accessKey, secretKey] = ['lvnet-cli-key', 'lvnet-cli-secret'];

/** versitygw: LVNET_S3_SERVER, the set-up's, or one in PATH. */
export function findVersitygw(): string | undefined {
  const folders = [installed, ...(process.env['PATH'] ?? '').split(delimiter)];
  const candidates = [
    process.env['LVNET_S3_SERVER'] ?? '',
    ...folders.map((folder) => join(folder, 'versitygw')),
  ];
  return candidates.find((path) => path.endsWith('versitygw') && existsSync(path));
}

/** A real S3 server over a folder; its folders are its buckets. */
export async function startLoopbackS3(program: string, folder: string, bucket: string): Promise<LoopbackS3> {
  await mkdir(join(folder, 'data', bucket), { recursive: true });
  await mkdir(join(folder, 'sidecar'));
  const port = await freePort();
  const address = `127.0.0.1:${String(port)}`;
  const args = [
    '--port',
    address,
    '--quiet',
    'posix',
    '--sidecar',
    join(folder, 'sidecar'),
    join(folder, 'data'),
  ];
  const child = spawn(program, args, {
    env: { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
    stdio: 'ignore',
  });
  const gone = once(child, 'exit');
  await untilListening(port);
  return {
    endpoint: `http://${address}`,
    env: {
      AWS_ENDPOINT_URL: `http://${address}`,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_REGION: 'us-east-1',
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = createConnection(port, '127.0.0.1');
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    socket.destroy();
    if (isUp) return;
    await sleep(50);
  }
  throw new Error(`no server came up on port ${String(port)} within 10 s`);
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
