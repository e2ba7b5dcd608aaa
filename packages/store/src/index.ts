/**
 * Objects under keys: in a folder, in an S3 bucket, or (for tests) in memory, behind one small interface.
 * Owns the AWS SDK. Knows nothing of runs, cases or checkpoints.
 */
export { openStore } from './open.js';
export { memoryStore } from './memory-store.js';
export type { Store, StoredObject } from './store.js';
