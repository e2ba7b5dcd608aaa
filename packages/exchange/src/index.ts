/**
 * Exact sums over Redis: a fixed tree over the shards, an agreed view of the members, and one thread per
 * member that keeps its lease and adds what arrives. Bytes never depend on who takes part or in what order.
 */
export { openExchange, type ExchangeOptions } from './open-exchange.js';
export type { BadShard, ComputeShard, Exchange, Reduced, Seat } from './exchange.js';
export type { ChangeReason } from './decide.js';
export type { ExchangeFact } from './messages.js';
export type { Barred, Member, Retry, View } from './view.js';
export { retryIn, shardsOf } from './view.js';
export type { WireFormat } from './wire.js';
export { sumAlone } from './sum-alone.js';
