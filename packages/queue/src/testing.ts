/** Leadership and registry over a server of one's own, for simulations, and what a queue does about failures. */
export type { ControlRedis } from './control-redis.js';
export { holdLead, leadershipOver, releaseLead } from './leadership.js';
export { registryOver, setRunEntry } from './registry.js';
export { afterFailure, retryAfterMs } from './patience.js';
