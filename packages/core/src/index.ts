/**
 * Foundations every package may use: failures, time, randomness, waiting, hashing, names.
 * Pure or nearly so; nothing here knows about tensors, volumes or networks of machines.
 */
export { Failure, failureCodes, invariant, asFailure, exitCodeOf, type FailureCode } from './failure.js';
export { systemClock, fakeClock, sleep, type Clock, type FakeClock } from './clock.js';
export { withDeadline, retry, linkedAbort, type RetryOptions } from './waiting.js';
export { counterRandom, shuffled, type CounterRandom } from './random.js';
export { canonicalJson, sha256Hex, type JsonValue } from './canonical.js';
export { nearestName } from './names.js';
export { counted } from './words.js';
export { writeFileAtomic } from './files.js';
