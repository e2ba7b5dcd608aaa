/**
 * The closed table of everything that can go wrong and is not our own bug.
 * 'mistake' = the user can mend it (exit code 2); 'fault' = the world failed (exit code 1).
 */
export const failureCodes = {
  // arguments, experiment files
  ARGUMENT_INVALID: 'mistake',
  EXPERIMENT_INVALID: 'mistake',
  EXPERIMENT_CONTRADICTORY: 'mistake',
  FILE_NOT_FOUND: 'mistake',
  RUN_NOT_FOUND: 'mistake',
  RUN_AMBIGUOUS: 'mistake',
  SWEEP_NOT_FOUND: 'mistake',
  STATE_NOT_ALLOWED: 'mistake',
  // volumes
  NIFTI_INVALID: 'mistake',
  VOLUME_INVALID: 'mistake',
  VOLUME_SHAPE_MISMATCH: 'mistake',
  CASE_INCOMPLETE: 'mistake',
  DATASET_INVALID: 'mistake',
  SPLIT_INVALID: 'mistake',
  // engine, networks
  SHAPE_MISMATCH: 'mistake',
  NETWORK_INVALID: 'mistake',
  WEIGHTS_MISMATCH: 'mistake',
  WEIGHTS_INVALID: 'mistake',
  ENGINE_UNAVAILABLE: 'mistake',
  DEVICE_UNAVAILABLE: 'mistake',
  MEMORY_TOO_SMALL: 'mistake',
  OUT_OF_MEMORY: 'fault',
  NON_FINITE: 'fault',
  LOSS_SPIKE: 'fault',
  // files and objects
  SAFETENSORS_INVALID: 'fault',
  STORE_NOT_FOUND: 'fault',
  STORE_UNREACHABLE: 'fault',
  STORE_DENIED: 'mistake',
  STORE_FULL: 'fault',
  STORE_INVALID: 'mistake',
  STORE_CONFLICT: 'fault',
  CHECKPOINT_CORRUPT: 'fault',
  START_LOST: 'fault',
  CHECKPOINT_NOT_FOUND: 'mistake',
  CHECKPOINT_AWAITED: 'fault',
  CASE_CORRUPT: 'fault',
  DISK_FULL: 'fault',
  // redis, exchange, cluster
  REDIS_UNREACHABLE: 'fault',
  REDIS_DENIED: 'mistake',
  REDIS_UNSUITABLE: 'mistake',
  PORT_IN_USE: 'mistake',
  EXCHANGE_LOST: 'fault',
  EXCHANGE_MISMATCH: 'fault',
  DIGEST_MISMATCH: 'fault',
  WORKER_UNSUITABLE: 'mistake',
  MEMBER_EVICTED: 'fault',
  MEMBER_BLAMED: 'fault',
  CHILD_DIED: 'fault',
  COORDINATOR_ABSENT: 'fault',
  // set-up
  SETUP_INCOMPLETE: 'mistake',
  TOOL_MISSING: 'mistake',
  // waiting
  DEADLINE: 'fault',
  CANCELLED: 'fault',
  INTERNAL: 'fault',
} as const satisfies Record<string, 'mistake' | 'fault'>;

export type FailureCode = keyof typeof failureCodes;

/** An expected failure: branch on `code`, show `message` and `hint`, keep `details` for machines. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly details: Readonly<Record<string, unknown>>;
  /** What the reader should do about it, one sentence. */
  readonly hint: string;

  constructor(
    code: FailureCode,
    details: Record<string, unknown>,
    text: { message: string; hint?: string; cause?: unknown },
  ) {
    super(text.message, text.cause === undefined ? undefined : { cause: text.cause });
    this.code = code;
    this.details = details;
    this.hint = text.hint ?? '';
  }

  toJSON(): { code: FailureCode; message: string; hint: string; details: Record<string, unknown> } {
    return { code: this.code, message: this.message, hint: this.hint, details: { ...this.details } };
  }
}

/** Our own bug when it does not hold. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`);
}

/** Any thrown value as a Failure; an unknown one becomes INTERNAL with its cause kept. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Failure('INTERNAL', {}, { message, cause: thrown });
}

/** 2 = the user's mistake, 1 = a fault, 130 = interrupted. */
export function exitCodeOf(thrown: unknown): 1 | 2 | 130 {
  if (!(thrown instanceof Failure)) return 1;
  if (thrown.code === 'CANCELLED') return 130;
  return failureCodes[thrown.code] === 'mistake' ? 2 : 1;
}
