import { asFailure } from '@lvnet/core';
import { parentPort, workerData } from 'node:worker_threads';
import { evaluateCase } from './case-metrics.js';
import type { EvaluateReply, EvaluateRequest } from './evaluate-thread.js';

// The thread behind evaluateInThread: one request, one reply.
const { pair, options } = workerData as EvaluateRequest;
try {
  reply({ kind: 'metrics', metrics: evaluateCase(pair, options) });
} catch (error) {
  reply({ kind: 'failed', failure: asFailure(error).toJSON() });
}

function reply(message: EvaluateReply): void {
  parentPort?.postMessage(message);
}
