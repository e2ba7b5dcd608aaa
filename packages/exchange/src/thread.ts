import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { invariant, systemClock } from '@lvnet/core';
import type { ThreadOptions, ToThread } from './messages.js';
import { nativeSegments } from '@lvnet/kernels';
import { bucketTable } from './buckets.js';
import { connectWires } from './open-link.js';
import { createPeerMemory } from './peer-memory.js';
import { createSession } from './session.js';

const port = parentPort;
invariant(port !== null, 'this file is the body of a worker thread');
const options = workerData as ThreadOptions;
const segments = options.sharedMemory ? nativeSegments() : undefined;
const { length, wire: format, roundedLength } = options;
const wire = { format, roundedLength };
const peers =
  segments === undefined ? undefined : createPeerMemory(segments, bucketTable(length), wire, randomBytes(16));
const session = createSession({
  options,
  peers,
  connect: () => connectWires(options.redisUrl, options.run, options.worker),
  clock: systemClock,
  newId: () => randomBytes(8).toString('hex'),
  onHung: (seconds) => {
    // Not through process.stderr, which the main thread serves.
    writeSync(
      2,
      `the computing thread has not answered for ${seconds.toFixed(0)} s beyond its limit; ending\n`,
    );
    process.kill(process.pid, 'SIGABRT');
  },
  send: (message) => {
    port.postMessage(message);
  },
});
port.on('message', (message: ToThread) => {
  session.receive(message);
  if (message.kind === 'close') port.close();
});
