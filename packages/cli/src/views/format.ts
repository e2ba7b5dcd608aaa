/** Seconds as a person says them: 4.2 s, 3 min 20 s, 2 h 5 min. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
  return `${String(Math.floor(whole / 3600))} h ${String(Math.floor((whole % 3600) / 60))} min`;
}

/** Bytes as a person says them: 512 MiB, 1.61 GiB. */
export const formatBytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** The text, cut with an ellipsis where it does not fit. */
export const fit = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** A bar of eighths of a character. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const rest = eighths % 8;
  const full = '█'.repeat(Math.floor(eighths / 8));
  return `${full}${rest === 0 ? '' : (partials[rest] ?? '')}`.padEnd(width, '·');
}

const partials = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A curve of one line: each column is the mean of the values that fall into it. */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  const columns = Math.min(width, finite.length);
  const means = Array.from({ length: columns }, (_, i) => {
    const from = Math.floor((i * finite.length) / columns);
    const part = finite.slice(from, Math.max(from + 1, Math.floor(((i + 1) * finite.length) / columns)));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const level = (value: number) => (most === least ? 3 : Math.round(((value - least) / (most - least)) * 7));
  return means.map((value) => levels[level(value)] ?? '').join('');
}

const levels = '▁▂▃▄▅▆▇█';
