/** A slice of the vector that travels and is summed by one owner. */
export interface Bucket {
  index: number;
  start: number;
  end: number;
}

const fewest = 16;
/** A little below 1 MiB: exact powers of two waste a quarter of the server's memory. */
const mostBytes = 2 ** 20 - 64;

/** Fixed with the run: depends on the length alone. */
export function bucketTable(length: number): Bucket[] {
  const count = Math.min(length, Math.max(fewest, Math.ceil((length * 4) / mostBytes)));
  return Array.from({ length: count }, (_, index) => ({
    index,
    start: Math.floor((length * index) / count),
    end: Math.floor((length * (index + 1)) / count),
  }));
}
