/**
 * The one place that knows ioredis: connections by role, addresses, the table of every key, Lua scripts,
 * and a private server for local use and tests.
 * Tensors do not travel here (see the exchange package), nor do jobs (queue).
 */
export type { Redis } from 'ioredis';
export { parseRedisUrl, redactUrl, type RedisAddress } from './address.js';
export { connectRedis, type ConnectOptions, type ConnectionRole } from './connect.js';
export { checkServer, checkServersAt, readServerInfo, type ServerFacts } from './server-check.js';
export { keys, type TensorPosition } from './keys.js';
export { defineScript, type RedisScript } from './script.js';
export { findRedisServer } from './server-binary.js';
export { startPrivateRedis, type PrivateRedis, type PrivateRedisOptions } from './private-server.js';
