import { Failure } from '@lvnet/core';
import { conflict, notFound } from './keys.js';

interface SdkError {
  name?: string;
  message?: string;
  Code?: string;
  $metadata?: { httpStatusCode?: number };
}

/** The SDK's errors in our own terms; secrets are in none of them. */
export function asStoreFailure(error: unknown, url: string, key: string): Failure {
  if (error instanceof Failure && error.code !== 'DEADLINE') return error;
  const sdk = error as SdkError;
  const status = sdk.$metadata?.httpStatusCode;
  const name = sdk.Code ?? sdk.name ?? 'error';
  if (name === 'NoSuchBucket') return noBucket(url, error);
  if (name === 'NoSuchKey' || name === 'NotFound' || (status === 404 && name !== 'XAdminUserNotFound')) {
    return notFound(url, key);
  }
  if (status === 412 || status === 409) return conflict(url, key);
  if (status === 507 || /quota|storage ?full|insufficient storage/i.test(`${name} ${sdk.message ?? ''}`)) {
    return new Failure(
      'STORE_FULL',
      { url, key },
      { message: `${url} is full.`, hint: 'Free some space; training goes on by itself.', cause: error },
    );
  }
  if (isDenied(name, status)) {
    return new Failure(
      'STORE_DENIED',
      { url, key, status: status ?? null },
      {
        message: `${url} refused the request (${name}).`,
        hint: 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights of that key on the bucket.',
        cause: error,
      },
    );
  }
  return new Failure(
    'STORE_UNREACHABLE',
    { url, key, status: status ?? null },
    {
      message: `${url} does not answer properly: ${sdk.message ?? name}`,
      hint: 'Check AWS_ENDPOINT_URL and that the server is up.',
      cause: error,
    },
  );
}

const isDenied = (name: string, status: number | undefined): boolean =>
  status === 401 ||
  status === 403 ||
  ['XAdminUserNotFound', 'CredentialsProviderError', 'InvalidAccessKeyId', 'SignatureDoesNotMatch'].includes(
    name,
  );

function noBucket(url: string, cause: unknown): Failure {
  return new Failure(
    'STORE_INVALID',
    { url },
    {
      message: `The bucket of ${url} does not exist.`,
      hint: 'Make it first, or correct LVNET_STORE.',
      cause,
    },
  );
}
