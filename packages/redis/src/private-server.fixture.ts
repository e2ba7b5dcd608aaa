import { startPrivateRedis } from './private-server.js';

/** A parent for the test that kills it: starts a server, says its process id, waits for its end. */
const server = await startPrivateRedis({ dir: process.argv[2] ?? '' });
process.send?.({ pid: server.pid });
await server.ended;
