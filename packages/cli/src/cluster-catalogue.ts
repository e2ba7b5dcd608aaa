/**
 * What `lvnet --help` says of the commands in cluster/, which take a second to load. A test holds it
 * against the commands themselves.
 */
export const clusterCommands: readonly { name: string; alias?: string; description: string }[] = [
  {
    name: 'demo',
    alias: 'start',
    description:
      'Train a small LV-Net with two workers, kill one on the way, evaluate, write a report with pictures',
  },
  {
    name: 'up',
    description: 'Start a cluster on this machine (Redis, coordinator, workers) until Ctrl-C',
  },
  { name: 'run', description: 'Submit an experiment; the same content gives the same run' },
  { name: 'sweep', description: 'Submit a sweep: one run for every combination of its choices' },
  { name: 'ls', description: 'List all runs' },
  { name: 'status', description: 'Show one run or sweep' },
  { name: 'watch', description: 'Show a run until it ends; Ctrl-C ends the watching, not the run' },
  { name: 'cancel', description: 'Stop a run for good; its checkpoints stay' },
  {
    name: 'pause',
    description: 'Stop a run until it is resumed; its members write a checkpoint first',
  },
  { name: 'resume', description: 'Let a paused run go on' },
  {
    name: 'coordinator',
    description: 'Run the coordinator (one leads, others stand by); serves the page, /metrics and /healthz',
  },
  { name: 'worker', description: 'Run one worker for one device' },
];
