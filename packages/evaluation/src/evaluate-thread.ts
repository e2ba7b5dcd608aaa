import { Failure, failureCodes, type FailureCode } from '@lvnet/core';
import { Worker } from 'node:worker_threads';
import type { CaseMetrics, EvaluateOptions } from './case-metrics.js';
import type { MaskPair, Spacing } from './mask.js';

/** What the thread is started with. */
export interface EvaluateRequest {
  pair: MaskPair & { spacingMm: Spacing };
  options: EvaluateOptions;
}

/** What the thread answers: one message. */
export type EvaluateReply =
  | { kind: 'metrics'; metrics: CaseMetrics }
  | {
      kind: 'failed';
      failure: { code: string; message: string; hint: string; details: Record<string, unknown> };
    };

/**
 * evaluateCase in a thread of its own; the masks are copied into it. Aborting ends the thread.
 *
 * @throws Failure as evaluateCase; CANCELLED when aborted
 */
export async function evaluateInThread(
  pair: MaskPair & { spacingMm: Spacing },
  { signal, ...options }: EvaluateOptions & { signal?: AbortSignal } = {},
): Promise<CaseMetrics> {
  if (signal?.aborted === true) throw cancelled();
  const request: EvaluateRequest = { pair, options };
  const thread = new Worker(new URL('./evaluate-worker.js', import.meta.url), { workerData: request });
  const onAbort = () => void thread.terminate();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const reply = await replyOf(thread, signal);
    if (reply.kind === 'metrics') return reply.metrics;
    const { code, message, hint, details } = reply.failure;
    throw new Failure(isCode(code) ? code : 'INTERNAL', details, { message, hint });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
}

function replyOf(thread: Worker, signal: AbortSignal | undefined): Promise<EvaluateReply> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => {
      const lost = new Failure('INTERNAL', { code }, { message: 'The evaluation ended without a result.' });
      reject(signal?.aborted === true ? cancelled() : lost);
    });
  });
}

const isCode = (code: string): code is FailureCode => Object.hasOwn(failureCodes, code);

const cancelled = () => new Failure('CANCELLED', {}, { message: 'The evaluation was cancelled.' });
