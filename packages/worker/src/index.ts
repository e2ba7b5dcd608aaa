/**
 * One worker, one device: a supervisor that holds locks, leases and metrics and never computes, and
 * its trainer child that owns the device and may die without taking the supervisor along.
 * `runSupervisor` is all that the command line needs.
 */
export { runSupervisor, type SupervisorOptions } from './supervisor.js';
export { trainingSpecOf } from './training-spec.js';
export type { EngineDescription } from './messages.js';
