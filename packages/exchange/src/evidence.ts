/** What a member says of itself with every lease. */
export interface Progress {
  /** The step that it does, and how many of its leaves of it are done. */
  step: number;
  done: number;
  /** Median seconds of its last leaves; 0 before the first. */
  secondsPerLeaf: number;
  /** Its computing thread has been at one leaf for longer than its own past allows. */
  hangs: boolean;
  /** It has the state of the step before and can take part. */
  ready: boolean;
}

/** Connections that the server does not know, by worker, and since when: they may just be being replaced. */
export type Suspects = ReadonlyMap<string, { connection: string; sinceMs: number }>;

/** A connection that has been gone for so long is not being replaced. */
const replacedWithinMs = 400;
/** A lease that a stranger wrote over is its owner's again within so long. */
const renewedWithinMs = 1_000;

/** The suspects after another look. */
export function nextSuspects(
  before: Suspects,
  evidence: ReadonlyMap<string, Evidence>,
  nowMs: number,
): Suspects {
  const suspects = new Map<string, { connection: string; sinceMs: number }>();
  for (const [worker, { connection, disconnected }] of evidence) {
    if (connection === undefined || !disconnected) continue;
    const known = before.get(worker);
    const sinceMs = known?.connection === connection ? known.sinceMs : nowMs;
    suspects.set(worker, { connection, sinceMs });
  }
  return suspects;
}

/** Has this connection been gone for so long that it will not come back? */
export function isGone(
  { connection, disconnected }: Evidence,
  suspect: ReturnType<Suspects['get']>,
  nowMs: number,
): boolean {
  return (
    disconnected &&
    connection !== undefined &&
    suspect?.connection === connection &&
    nowMs - suspect.sinceMs >= (isConnection(connection) ? replacedWithinMs : renewedWithinMs)
  );
}

/** What the server shows of a worker. */
export interface Evidence {
  /** The number of its connection; undefined: no lease, which has run out. */
  connection: string | undefined;
  /** The server knows no such connection any more. */
  disconnected: boolean;
  progress: Progress;
}

const noProgress: Progress = { step: 0, done: 0, secondsPerLeaf: 0, hangs: false, ready: false };

/** A lease's value: the connection's number first, for CLIENT LIST. */
export const leaseText = (connection: string, p: Progress): string =>
  [connection, p.step, p.done, p.secondsPerLeaf.toPrecision(6), p.hangs ? 1 : 0, p.ready ? 1 : 0].join(' ');

/** A number that the server can be asked for. */
export const isConnection = (text: string): boolean => /^\d+$/.test(text);

export function readLease(text: string | null): Omit<Evidence, 'disconnected'> {
  if (text === null) return { connection: undefined, progress: noProgress };
  const [connection = '', ...numbers] = text.split(' ');
  if (!isConnection(connection)) return { connection, progress: noProgress }; // a stranger's: until it is renewed
  const [step = 0, done = 0, secondsPerLeaf = 0, hangs = 0, ready = 0] = numbers.map(Number);
  return { connection, progress: { step, done, secondsPerLeaf, hangs: hangs === 1, ready: ready === 1 } };
}
