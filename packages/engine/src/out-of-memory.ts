import { Failure } from '@lvnet/core';

/**
 * What `run` returns; memory that cannot be had becomes the failure that says how much was asked for.
 *
 * @param bytes where the error itself does not know
 * @throws Failure('OUT_OF_MEMORY')
 */
export function orOutOfMemory<T>(run: () => T, bytes?: number): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof Failure || !isOutOfMemory(cause)) throw cause; // a failure says it already
    const needed = [cause.bytes, bytes].find((known) => known !== undefined && known > 0);
    const size = needed === undefined ? 'some' : `${String(Math.ceil(needed / 2 ** 20))} MiB of`;
    throw new Failure(
      'OUT_OF_MEMORY',
      { bytes: needed },
      {
        message: `The engine asked for ${size} memory that is not there.`,
        hint: 'Use a smaller data.patch, network.expansionRate or batch per shard, or a machine with more memory.',
        cause,
      },
    );
  }
}

/** The kernels' own error, TensorFlow's status RESOURCE_EXHAUSTED, or JavaScript's for an array that is too large. */
function isOutOfMemory(error: unknown): error is Error & { bytes?: number } {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === 'OUT_OF_MEMORY' ||
    error.message.includes('Invalid TF_Status: 8\n') ||
    (error instanceof RangeError && /allocation failed|length/i.test(error.message))
  );
}
