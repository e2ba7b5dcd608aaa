import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';
import { asFailure, Failure, retry, sha256Hex, withDeadline } from '@lvnet/core';
import { bytesOf, checkKey, conflict } from './keys.js';
import { paced } from './paced.js';
import { asStoreFailure } from './s3-failure.js';
import type { Store, StoredObject } from './store.js';

export interface S3Options {
  /** Objects in a page of a listing; 1000 at most. */
  pageSize?: number;
  /** For one request, its retries included. */
  limitMs?: number;
}

const partBytes = 8 * 2 ** 20;
const attempts = 4;

/** Objects in a bucket; credentials, region and endpoint come from the SDK's usual AWS_* variables. */
export function openS3Store(url: string, env: NodeJS.ProcessEnv, options: S3Options = {}): Store {
  const { bucket, prefix } = partsOf(url);
  const client = openClient(env);
  const limitMs = options.limitMs ?? 60_000;
  const fullKey = (key: string): string => {
    checkKey(key);
    return prefix + key;
  };
  const request = async <T>(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    outer?: AbortSignal,
  ): Promise<T> => {
    try {
      return await withDeadline(`The request to ${url}`, limitMs, work, outer);
    } catch (error) {
      throw asStoreFailure(error, url, key);
    }
  };
  return {
    url,
    get: (key, o) =>
      request(
        key,
        async (abortSignal) => {
          const command = new GetObjectCommand({ Bucket: bucket, Key: fullKey(key) });
          const { Body } = await client.send(command, { abortSignal });
          return (await Body?.transformToByteArray()) ?? new Uint8Array();
        },
        o?.signal,
      ),
    async head(key) {
      try {
        return await request(key, async (abortSignal) => {
          const command = new HeadObjectCommand({ Bucket: bucket, Key: fullKey(key) });
          const { ContentLength } = await client.send(command, { abortSignal });
          return { sizeBytes: ContentLength ?? 0 };
        });
      } catch (error) {
        if (error instanceof Failure && error.code === 'STORE_NOT_FOUND') return undefined;
        throw error;
      }
    },
    async put(key, body, o) {
      const Body = bytesOf(body);
      const target = { Bucket: bucket, Key: fullKey(key), Body };
      const { bytesPerSecond } = o ?? {};
      if (o?.ifAbsent === true) {
        await request(key, (abortSignal) => putIfAbsent(client, url, key, target, abortSignal), o.signal);
      } else if (bytesPerSecond !== undefined && Body.byteLength > 0) {
        await putPaced(client, url, key, target, {
          bytesPerSecond,
          limitMs: limitMs + (Body.byteLength / bytesPerSecond) * 1_000,
          ...(o?.signal === undefined ? {} : { signal: o.signal }),
        });
      } else if (Body.byteLength > partBytes) {
        await request(key, (signal) => putByParts(client, target, signal), o?.signal);
      } else {
        await request(
          key,
          (abortSignal) => client.send(new PutObjectCommand(target), { abortSignal }),
          o?.signal,
        );
      }
    },
    list: (wanted) => listObjects(client, { bucket, prefix, wanted }, options.pageSize, request),
    async delete(key) {
      await request(key, (abortSignal) =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: fullKey(key) }), { abortSignal }),
      );
    },
    localPath: () => undefined,
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}

function partsOf(url: string): { bucket: string; prefix: string } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url);
  const bucket = match?.[1];
  if (bucket === undefined) {
    throw new Failure(
      'STORE_INVALID',
      { url },
      { message: `${url} is no S3 address.`, hint: 'Write it as s3://bucket or s3://bucket/prefix.' },
    );
  }
  const inner = (match?.[2] ?? '').replace(/\/+$/, '');
  return { bucket, prefix: inner === '' ? '' : `${inner}/` };
}

function openClient(env: NodeJS.ProcessEnv): S3Client {
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  const [accessKeyId, secretAccessKey] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY']];
  const sessionToken = env['AWS_SESSION_TOKEN'];
  const given = accessKeyId !== undefined && secretAccessKey !== undefined;
  return new S3Client({
    region: env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    forcePathStyle: true,
    maxAttempts: attempts,
    // Other servers than Amazon's understand only the checksums that were always there.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000 },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(given
      ? {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }
      : {}),
  });
}

interface PutTarget {
  Bucket: string;
  Key: string;
  Body: Uint8Array;
}

/** Some servers ignore the condition, so the common case is looked up first; of racing writers one wins where it is honoured. */
async function putIfAbsent(
  client: S3Client,
  url: string,
  key: string,
  target: PutTarget,
  abortSignal: AbortSignal,
): Promise<void> {
  const { Bucket, Key } = target;
  const there = await client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal }).then(
    () => true,
    (error: unknown) => {
      const failure = asStoreFailure(error, url, key);
      if (failure.code === 'STORE_NOT_FOUND') return false;
      throw error;
    },
  );
  if (there) throw conflict(url, key);
  await client.send(new PutObjectCommand({ ...target, IfNoneMatch: '*' }), { abortSignal });
}

/**
 * One request whose body flows no faster than asked for. The SDK cannot send such a body twice, so trying again
 * is done here; it is signed with its hash like any other.
 */
async function putPaced(
  client: S3Client,
  url: string,
  key: string,
  target: PutTarget,
  o: { bytesPerSecond: number; limitMs: number; signal?: AbortSignal },
): Promise<void> {
  const sha256 = sha256Hex(target.Body);
  const send = async (signal: AbortSignal): Promise<void> => {
    const Body = Readable.from(paced(target.Body, o.bytesPerSecond, { signal }));
    const command = new PutObjectCommand({ ...target, Body, ContentLength: target.Body.byteLength });
    command.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
        return next(args);
      },
      { step: 'build', name: 'bodyHash' },
    );
    await client.send(command, { abortSignal: signal });
  };
  await retry(
    async () => {
      try {
        await withDeadline(`The request to ${url}`, o.limitMs, send, o.signal);
      } catch (error) {
        throw asStoreFailure(error, url, key);
      }
    },
    {
      ...{ attempts, firstDelayMs: 100, maxDelayMs: 2_000 },
      retryable: (error) => asFailure(error).code === 'STORE_UNREACHABLE',
      ...(o.signal === undefined ? {} : { signal: o.signal }),
    },
  );
}

async function putByParts(client: S3Client, target: PutTarget, signal: AbortSignal): Promise<void> {
  const upload = new Upload({ client, params: target, partSize: partBytes, queueSize: 3 });
  const onAbort = () => void upload.abort().catch(() => undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await upload.done();
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function* listObjects(
  client: S3Client,
  { bucket, prefix, wanted }: { bucket: string; prefix: string; wanted: string },
  pageSize: number | undefined,
  request: <T>(key: string, work: (signal: AbortSignal) => Promise<T>) => Promise<T>,
): AsyncIterable<StoredObject> {
  let token: string | undefined;
  do {
    const page = await request(wanted, (abortSignal) =>
      client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix + wanted,
          ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
        { abortSignal },
      ),
    );
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key !== undefined) yield { key: Key.slice(prefix.length), sizeBytes: Size ?? 0 };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}
