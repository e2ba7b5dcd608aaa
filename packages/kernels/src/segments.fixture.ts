import { parentPort } from 'node:worker_threads';
import { nativeSegments } from './native-segments.js';
import { segmentMarkBytes, segmentNameBytes, slotBytes } from './segments.js';

/** Rewrites the one slot of a segment for ever: message k has k mod 251 in its mark and in each of its 4,000 values. */
const segments = nativeSegments();
const stride = slotBytes(4_000, 0);
const own = segments?.create(64 + stride);
if (segments === undefined || own === undefined) throw new Error('there is no shared memory');
const head = new Uint8Array(segmentNameBytes + segmentMarkBytes);
const values = new Float32Array(4_000);
parentPort?.postMessage(own.address);
for (let stamp = 1; ; stamp++) {
  head.fill(stamp % 251, segmentNameBytes);
  values.fill(stamp % 251);
  segments.write(own.buffer, 64, stamp, head, { values, halves: 0 });
  for (let pause = 0; pause < (stamp % 7) * 1_000; pause++) head[0] = 0;
}
