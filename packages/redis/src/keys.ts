/**
 * Every key and channel name, on both servers.
 *
 * Control names start with `lvnet:`. Tensor names start with `{run}`, a hash tag: all keys of one run
 * lie in one slot of a Redis Cluster. Steps, lives, attempts are decimal numbers; a node covers leaves
 * lo..hi-1 and is written `lo-hi`.
 */
export const keys = {
  // control server
  leader: () => 'lvnet:leader',
  leaderFence: () => 'lvnet:leader:fence',
  workers: () => 'lvnet:workers',
  worker: (worker: string) => `lvnet:worker:${worker}`,
  requests: () => 'lvnet:requests',
  /** What was found among them and is none. */
  requestsSetAside: () => 'lvnet:requests:set-aside',
  run: (run: string) => `lvnet:run:${run}`,
  runProgress: (run: string) => `lvnet:run:${run}:progress`,
  /** Prefix handed to BullMQ. */
  queuePrefix: () => 'lvnet:jobs',

  // tensor server
  view: (run: string) => `{${run}}:view`,
  head: (run: string, life: number) => `{${run}}:head:${String(life)}`,
  lease: (run: string, worker: string) => `{${run}}:hb:${worker}`,
  standby: (run: string, worker: string) => `{${run}}:standby:${worker}`,
  partial: (run: string, at: TensorPosition, bucket: number, lo: number, hi: number) =>
    `{${run}}:p:${position(at)}:${String(bucket)}:${String(lo)}-${String(hi)}`,
  reduced: (run: string, at: TensorPosition, bucket: number) =>
    `{${run}}:o:${position(at)}:${String(bucket)}`,
  state: (run: string, step: number) => `{${run}}:state:${String(step)}`,
  /** What all members of a life have alike. */
  terms: (run: string, life: number) => `{${run}}:terms:${String(life)}`,
  /** What members say of the shard that is checked in a step. */
  checked: (run: string, life: number, step: number) => `{${run}}:c:${String(life)}:${String(step)}`,
  /** Channel of one worker: what its owner or a peer wrote for it. */
  inbox: (run: string, worker: string) => `{${run}}:n:${worker}`,
  /** Channel of everybody in the run. */
  everyone: (run: string) => `{${run}}:n`,
  /** Pattern of all keys of a run, for SCAN. */
  allOfRun: (run: string) => `{${run}}:*`,
} as const;

export interface TensorPosition {
  life: number;
  step: number;
  attempt: number;
}

const position = (at: TensorPosition) => `${String(at.life)}:${String(at.step)}.${String(at.attempt)}`;
