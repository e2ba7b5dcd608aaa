import { Failure } from '@lvnet/core';

/** Refuses keys that could leave the store's folder or that an object server would understand otherwise. */
export function checkKey(key: string): void {
  const names = key.split('/');
  const good =
    key.length > 0 &&
    key.length <= 1_000 &&
    names.every((name) => name !== '' && name !== '.' && name !== '..' && /^[\w.,:@+=~-]+$/.test(name));
  if (good) return;
  throw new Failure(
    'STORE_INVALID',
    { key },
    {
      message: `${JSON.stringify(key)} is no valid key.`,
      hint: 'Use letters, digits, dots, dashes and single slashes.',
    },
  );
}

export function notFound(url: string, key: string): Failure {
  return new Failure(
    'STORE_NOT_FOUND',
    { url, key },
    { message: `${url} has no ${key}.`, hint: 'Is LVNET_STORE the store that the run was written to?' },
  );
}

export function conflict(url: string, key: string): Failure {
  return new Failure('STORE_CONFLICT', { url, key }, { message: `${url} already has ${key}.` });
}

export const bytesOf = (body: Uint8Array | string): Uint8Array =>
  typeof body === 'string' ? new TextEncoder().encode(body) : body;
