import { Worker } from 'node:worker_threads';
import { Failure } from '@lvnet/core';
import type { Upload } from './upload.js';

export interface ToUploadThread {
  id: number;
  upload: Upload;
}

export type FromUploadThread =
  | { id: number; kind: 'done'; nextStep: number | null }
  | { id: number; kind: 'failed'; failure: ReturnType<Failure['toJSON']> };

/**
 * Uploads from a thread of its own: encoding, hashing and sending take nothing from the thread that trains, and
 * go on while that one computes for seconds.
 */
export interface Uploads {
  /** Arrays in shared memory are not copied for it, and must stay as they are until it is done. */
  upload(upload: Upload): Promise<{ nextStep: number | null }>;
  close(): Promise<void>;
}

export function openUploads(storeUrl: string): Uploads {
  let thread: Worker | undefined;
  let lastId = 0;
  const waiting = new Map<number, PromiseWithResolve>();
  const fail = (failure: Failure) => {
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(new URL('./upload-thread.js', import.meta.url), { workerData: { storeUrl } });
    started.on('message', (message: FromUploadThread) => {
      const item = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === 'done') item?.resolve({ nextStep: message.nextStep });
      else item?.reject(failureOf(message.failure));
    });
    started.on('error', (cause) => {
      thread = undefined; // the next upload starts another one
      fail(ended(cause));
    });
    started.unref(); // the process may end without it; after the listeners, which take that back
    return started;
  };
  return {
    upload: (wanted) =>
      new Promise((resolve, reject) => {
        thread ??= start();
        waiting.set(++lastId, { resolve, reject });
        const message: ToUploadThread = { id: lastId, upload: wanted };
        thread.postMessage(message);
      }),
    async close() {
      await thread?.terminate();
      thread = undefined;
      fail(ended(undefined));
    },
  };
}

interface PromiseWithResolve {
  resolve: (done: { nextStep: number | null }) => void;
  reject: (failure: Failure) => void;
}

const failureOf = ({ code, details, message, hint }: ReturnType<Failure['toJSON']>): Failure =>
  new Failure(code, details, { message, hint });

function ended(cause: unknown): Failure {
  const why = cause instanceof Error ? `: ${cause.message}` : '.';
  return new Failure('STORE_UNREACHABLE', {}, { message: `The thread that uploads ended${why}`, cause });
}
