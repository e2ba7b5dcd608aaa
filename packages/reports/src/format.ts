/** Fixed digits, or a dash for what is not defined. */
export const fixed = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);

/** Digits that a loss deserves: four significant ones. */
export const significant = (value: number | undefined): string =>
  value === undefined || !Number.isFinite(value) ? '–' : String(Number(value.toPrecision(4)));

/** `2:05 h`, `3:05 min`, `12 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = (value: number, unit: string) =>
    `${String(Math.floor(value / 60))}:${String(value % 60).padStart(2, '0')} ${unit}`;
  if (seconds < 60) return `${String(seconds)} s`;
  return seconds < 3600 ? parts(seconds, 'min') : parts(Math.round(seconds / 60), 'h');
}

/** A name that is safe as part of a file name and of a store key. */
export const fileNameOf = (name: string): string => name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60);

/** Plain data as readable YAML-like lines; short lists stay on their line. */
export function dataLines(value: unknown, indent = 0): string[] {
  if (!isRecord(value)) return [`${' '.repeat(indent)}${scalar(value)}`];
  return Object.entries(value).flatMap(([key, item]) => {
    const start = `${' '.repeat(indent)}${key}:`;
    if (item === undefined) return [];
    return isRecord(item) && Object.keys(item).length > 0
      ? [start, ...dataLines(item, indent + 2)]
      : [`${start} ${scalar(item)}`];
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function scalar(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(scalar).join(', ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
