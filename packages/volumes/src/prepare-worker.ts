import { asFailure } from '@lvnet/core';
import { parentPort, workerData } from 'node:worker_threads';
import type { PrepareReply, PrepareRequest } from './prepare-thread.js';
import { prepareCase } from './prepare.js';

// The thread behind prepareCaseInThread: one request, one reply, arrays handed over without a copy.
const { files, transform } = workerData as PrepareRequest;
try {
  const prepared = await prepareCase(files, transform);
  const { image, label, sourceLabelRuns } = prepared;
  reply({ kind: 'prepared', prepared }, [image.buffer, label.buffer, sourceLabelRuns.buffer]);
} catch (error) {
  reply({ kind: 'failed', failure: asFailure(error).toJSON() }, []);
}

function reply(message: PrepareReply, transfer: ArrayBufferLike[]): void {
  parentPort?.postMessage(
    message,
    transfer.filter((buffer) => buffer instanceof ArrayBuffer),
  );
}
