/** Arrays for reuse from step to step; contents are undefined. Fresh ones cost more than what is done with them. */
export interface Memory<A> {
  take: (length: number) => A;
  give: (values: A) => void;
}

export const createFloats = (): Memory<Float32Array> =>
  createMemory<Float32Array>((length) => new Float32Array(length));

/** For what is under way as bfloat16. */
export const createHalves = (): Memory<Uint16Array> =>
  createMemory<Uint16Array>((length) => new Uint16Array(length));

function createMemory<A extends { length: number }>(make: (length: number) => A): Memory<A> {
  const free = new Map<number, A[]>();
  return {
    take: (length) => free.get(length)?.pop() ?? make(length),
    give(values) {
      const known = free.get(values.length);
      if (known === undefined) free.set(values.length, [values]);
      else known.push(values);
    },
  };
}
