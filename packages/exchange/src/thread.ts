import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '@lvnet/core';
import type { SessionOptions, ToThread } from './messages.js';
import { createSession } from './session.js';

const port = parentPort;
invariant(port !== null, 'this file is the body of a worker thread');
const session = createSession(workerData as SessionOptions, (message) => {
  port.postMessage(message);
});
port.on('message', (message: ToThread) => {
  session.receive(message);
  if (message.kind === 'close') port.close();
});
