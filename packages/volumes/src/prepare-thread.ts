import { Failure, failureCodes, type FailureCode } from '@lvnet/core';
import { Worker } from 'node:worker_threads';
import type { CaseSource } from './prepare.js';
import type { CaseTransform, PreparedCase } from './prepared.js';

/** What the thread is started with. */
export interface PrepareRequest {
  files: CaseSource;
  transform: CaseTransform;
}

/** What the thread answers: one message. */
export type PrepareReply =
  | { kind: 'prepared'; prepared: PreparedCase }
  | {
      kind: 'failed';
      failure: { code: string; message: string; hint: string; details: Record<string, unknown> };
    };

/**
 * prepareCase in a thread of its own: the caller's thread stays responsive. Aborting ends the thread.
 *
 * @throws Failure as prepareCase; CANCELLED when aborted
 */
export async function prepareCaseInThread(
  files: CaseSource,
  transform: CaseTransform,
  o: { signal?: AbortSignal } = {},
): Promise<PreparedCase> {
  const request: PrepareRequest = {
    files: { id: files.id, volume: files.volume, label: files.label },
    transform,
  };
  if (o.signal?.aborted === true) throw cancelled(files.id);
  const thread = new Worker(new URL('./prepare-worker.js', import.meta.url), { workerData: request });
  const onAbort = () => void thread.terminate();
  o.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const reply = await replyOf(thread, files.id, o.signal);
    if (reply.kind === 'prepared') return reply.prepared;
    const { code, message, hint, details } = reply.failure;
    throw new Failure(isCode(code) ? code : 'INTERNAL', details, { message, hint });
  } finally {
    o.signal?.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
}

function replyOf(thread: Worker, id: string, signal: AbortSignal | undefined): Promise<PrepareReply> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', (error) => {
      reject(isHeapLimit(error) ? outOfMemory(id, error) : error);
    });
    thread.once('exit', (code) => {
      if (signal?.aborted === true) reject(cancelled(id));
      else
        reject(
          new Failure(
            'INTERNAL',
            { case: id, code },
            { message: `Preparing case ${id} ended without a result.` },
          ),
        );
    });
  });
}

const isHeapLimit = (error: Error) => (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';

function outOfMemory(id: string, cause: unknown): Failure {
  const message = `There was not enough memory to prepare case ${id}.`;
  return new Failure(
    'OUT_OF_MEMORY',
    { case: id },
    { message, hint: 'Use a machine with more memory.', cause },
  );
}

const isCode = (code: string): code is FailureCode => Object.hasOwn(failureCodes, code);

const cancelled = (id: string) =>
  new Failure('CANCELLED', { case: id }, { message: `Preparing case ${id} was cancelled.` });
