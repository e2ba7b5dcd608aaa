import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findS3Server, startS3Server, type S3Server } from './s3-server.fixture.js';
import { openS3Store } from './s3-store.js';
import { rejectsWith, storeContract } from './store-contract.fixture.js';

describe('S3 store on a real server', function () {
  this.timeout(60_000);
  let server: S3Server;

  before(async function () {
    if (findS3Server() === undefined && process.env['CI'] === undefined) {
      process.stderr.write('      skipped: no S3 server (npm run setup -- --test installs one)\n');
      this.skip();
    }
    server = await startS3Server();
  });
  after(async () => {
    await (server as S3Server | undefined)?.stop();
  });

  const open = (prefix: string, env: NodeJS.ProcessEnv = {}) =>
    openS3Store(`s3://${server.bucket}/${prefix}`, { ...server.env, ...env }, { pageSize: 2 });

  // Its own server may ignore conditions (rclone does), so the race is asked of versitygw only.
  storeContract('S3', () => Promise.resolve(open('contract')), {
    races: findS3Server()?.kind === 'versitygw',
  });

  it('refuses a wrong secret and says which variables to check', async () => {
    const store = open('x', { AWS_SECRET_ACCESS_KEY: 'wrong' });
    const failure = await rejectsWith('STORE_DENIED', store.put('a', 'a'));
    assert.match(failure.hint, /AWS_SECRET_ACCESS_KEY/);
    assert.doesNotMatch(JSON.stringify(failure), /wrong/);
    await store.close();
  });

  it('refuses an unknown key', async () => {
    const store = open('x', { AWS_ACCESS_KEY_ID: 'nobody' });
    await rejectsWith('STORE_DENIED', store.put('a', 'a'));
    await store.close();
  });

  it('says that a bucket does not exist', async () => {
    const store = openS3Store('s3://no-such-bucket/x', server.env);
    await rejectsWith('STORE_INVALID', store.put('a', 'a'));
    await store.close();
  });

  it('says that nobody listens', async () => {
    const store = open('x', { AWS_ENDPOINT_URL: 'http://127.0.0.1:9' });
    const startMs = performance.now();
    await rejectsWith('STORE_UNREACHABLE', store.get('a'));
    assert.ok(performance.now() - startMs < 15_000);
    await store.close();
  });

  it('tries again after 503, a few times only', async () => {
    let requests = 0;
    const broken = createServer((_request, response) => {
      requests++;
      response.writeHead(503).end();
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const { port } = broken.address() as AddressInfo;
    const store = open('x', { AWS_ENDPOINT_URL: `http://127.0.0.1:${String(port)}` });
    await rejectsWith('STORE_UNREACHABLE', store.get('a'));
    assert.equal(requests, 4);
    await store.close();
    broken.close();
  });

  it('uploads a large object by parts', async () => {
    // Seen from outside: an ETag of several parts ends in -N.
    const store = open('parts');
    await store.put('big', new Uint8Array(20 * 2 ** 20));
    const head = await fetchEtag(server, 'parts/big');
    if (server.kind === 'versitygw') assert.match(head, /-3"?$/);
    await store.close();
  });
});

async function fetchEtag(server: S3Server, key: string): Promise<string> {
  const { HeadObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const { env } = server;
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  const { ETag } = await client.send(new HeadObjectCommand({ Bucket: server.bucket, Key: key }));
  client.destroy();
  return ETag ?? '';
}
