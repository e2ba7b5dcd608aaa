/** A point of a curve: step and value. */
export type Point = [x: number, y: number];

/** Centred moving mean over about a fortieth of the curve; ends use what there is of the window. */
export function movingMean(points: readonly Point[]): Point[] {
  const reach = Math.max(1, Math.round(points.length / 80));
  const sums = [0];
  for (const [, y] of points) sums.push((sums.at(-1) ?? 0) + y);
  return points.map(([x], index) => {
    const [from, to] = [Math.max(0, index - reach), Math.min(points.length, index + reach + 1)];
    return [x, ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from)];
  });
}

/** At most `limit` points: each is the mean of its neighbours; the last point stays as it is. */
export function condense(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  const size = Math.ceil(points.length / (limit - 1));
  const means: Point[] = [];
  for (let start = 0; start < points.length; start += size) {
    const bucket = points.slice(start, start + size);
    means.push([mean(bucket, 0), mean(bucket, 1)]);
  }
  return [...means, ...points.slice(-1)];
}

/** True when the values are positive and span more than a factor of 25. */
export function isWorthLog(values: readonly number[]): boolean {
  const [least, most] = values.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
  return least > 0 && most / least > 25;
}

const mean = (points: readonly Point[], axis: 0 | 1): number =>
  points.reduce((sum, point) => sum + point[axis], 0) / points.length;
