/**
 * The protocol without its threads and sockets, for simulations: a session over connections and a clock of
 * one's own, and the member's side of it.
 */
export { createSession, type Session } from './session.js';
export { exchangeOver, type MemberSide, type SessionPort } from './exchange.js';
export type { SessionParts } from './context.js';
export type { Argument, BlobClient } from './blob-client.js';
export type { Wires } from './link.js';
export { connectWires } from './open-link.js';
export type { FromThread, SessionOptions, ToThread } from './messages.js';
export type { Reply, Sink } from './resp.js';
export { commitStep, raiseHead, replaceView, restoreView, retryStep, sayChecked } from './scripts.js';
export { checkedShard } from './check.js';
export { bucketTable } from './buckets.js';
export { createPeerMemory, type PeerMemory } from './peer-memory.js';
export { tensorKey } from './tensor-keys.js';
