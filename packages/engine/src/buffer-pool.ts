/**
 * Large arrays for reuse: a training step allocates the same sizes again and again, and the garbage
 * collector lets them pile up. Only arrays that came from the pool go back to it.
 */
export interface BufferPool {
  /** Contents are undefined. */
  take(length: number): Float32Array;
  /** Ignores arrays that are not the pool's own. */
  give(buffer: Float32Array): void;
}

/** Smaller arrays are left to the garbage collector. */
const leastLength = 16_384;

/** @param allocate makes a large array; its contents may be anything */
export function createBufferPool(
  allocate = (length: number): Float32Array => new Float32Array(length),
): BufferPool {
  const free = new Map<number, Float32Array[]>();
  const own = new WeakSet<Float32Array>();
  return {
    take(length) {
      const kept = free.get(length)?.pop();
      if (kept !== undefined) return kept;
      if (length < leastLength) return new Float32Array(length);
      const made = allocate(length);
      own.add(made);
      return made;
    },
    give(buffer) {
      if (!own.has(buffer)) return;
      const known = free.get(buffer.length);
      if (known === undefined) free.set(buffer.length, [buffer]);
      else if (!known.includes(buffer)) known.push(buffer);
    },
  };
}
