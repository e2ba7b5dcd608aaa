/**
 * Work and who does it, in control Redis: BullMQ queues (invitations to work), and the registry of
 * workers, runs and the leader. The registry is working memory: all of it can be rebuilt from the store.
 * Owns bullmq. Decides nothing: what should be queued is the coordinator's business.
 */
export {
  jobKinds,
  prepareJobSchema,
  trainJobSchema,
  validateJobSchema,
  type JobKind,
  type Job,
  type PrepareJob,
  type TrainJob,
  type ValidateJob,
} from './jobs.js';
export { queueName, type QueueRef } from './names.js';
export { createProducer, type Producer } from './producer.js';
export { createHost, type Host, type HostOptions } from './host.js';
export {
  openRegistry,
  type Registry,
  type WorkerEntry,
  type RunEntry,
  type RunProgress,
  type ClusterRequest,
  type StoredRequest,
} from './registry.js';
export { createLeadership, type Leadership } from './leadership.js';
