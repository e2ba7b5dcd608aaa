export const runStates = [
  'queued',
  'preparing',
  'running',
  'paused',
  'validating',
  'done',
  'failed',
  'cancelled',
] as const;

export type RunState = (typeof runStates)[number];

const successors: Record<RunState, readonly RunState[]> = {
  queued: ['preparing', 'paused', 'failed', 'cancelled'],
  preparing: ['running', 'paused', 'failed', 'cancelled'],
  running: ['validating', 'paused', 'failed', 'cancelled'],
  paused: ['preparing', 'running', 'failed', 'cancelled'],
  validating: ['done', 'failed', 'cancelled'],
  done: [],
  failed: [],
  cancelled: [],
};

/** The new state, or undefined where the change is not allowed; nothing leaves an end. */
export function transition(from: RunState, to: RunState): RunState | undefined {
  return successors[from].includes(to) ? to : undefined;
}
