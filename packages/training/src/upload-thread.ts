import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { asFailure, invariant, systemClock } from '@lvnet/core';
import { openStore } from '@lvnet/store';
import { upload } from './upload.js';
import type { FromUploadThread, ToUploadThread } from './uploads.js';

const port = parentPort;
invariant(port !== null, 'this file is the body of a worker thread');
const { storeUrl } = workerData as { storeUrl: string };
const store = openStore(storeUrl);
store.catch(() => undefined); // told with the first upload
const clocks = {
  monotonicMs: systemClock.monotonicMs,
  busySeconds: () => performance.eventLoopUtilization().active / 1_000,
};

port.on('message', ({ id, upload: wanted }: ToUploadThread) => {
  const answer = (message: FromUploadThread) => {
    port.postMessage(message);
  };
  store
    .then((opened) => upload(opened, wanted, clocks))
    .then(
      (done) => {
        answer({ id, kind: 'done', ...done });
      },
      (error: unknown) => {
        answer({ id, kind: 'failed', failure: asFailure(error).toJSON() });
      },
    );
});
