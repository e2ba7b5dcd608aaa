/**
 * How long a member's leaves take, and from when on one takes suspiciously long: median + k median absolute
 * deviations of its own last leaves, and never below a floor. Of a few leaves, while code is still being compiled and
 * others start beside it, that says little: until there are enough, several times the longest. Before there are three
 * it trusts. Leaves with nothing to compute say nothing.
 */
export interface LeafTimes {
  add(seconds: number): void;
  medianSeconds(): number;
  /** Longer than this, and the computing thread hangs. */
  limitSeconds(): number;
}

const kept = 32;
const fewest = 3;
const enough = 8;
/** Times the longest, while there are few. */
const patience = 3;
const deviations = 10;
const floorSeconds = 2;

/** @param firstLimitSeconds holds before enough leaves are known */
export function createLeafTimes(firstLimitSeconds: number): LeafTimes {
  let last: number[] = [];
  const medianSeconds = () => median(last);
  return {
    add(seconds) {
      last = [...last, seconds].slice(-kept);
    },
    medianSeconds,
    limitSeconds() {
      if (last.length < fewest) return firstLimitSeconds;
      if (last.length < enough) return Math.max(floorSeconds, patience * Math.max(...last));
      const middle = medianSeconds();
      const deviation = median(last.map((seconds) => Math.abs(seconds - middle)));
      return Math.max(floorSeconds, 2 * middle, middle + deviations * deviation);
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
}
