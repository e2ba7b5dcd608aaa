/** Arrays for reuse from step to step; contents are undefined. */
export interface Memory {
  take: (length: number) => Float32Array;
  give: (values: Float32Array) => void;
}

export function createMemory(): Memory {
  const free = new Map<number, Float32Array[]>();
  return {
    take: (length) => free.get(length)?.pop() ?? new Float32Array(length),
    give(values) {
      const known = free.get(values.length);
      if (known === undefined) free.set(values.length, [values]);
      else known.push(values);
    },
  };
}
