/** One JSON document, or lines for people, on stdout; everything else of a command goes to stderr. */
export function print(json: boolean, value: unknown, lines: () => readonly string[]): void {
  const text = json ? JSON.stringify(value, null, 2) : lines().join('\n');
  process.stdout.write(`${text}\n`);
}

export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Left-aligned columns, as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (known, row) => row.map((cell, i) => Math.max(known[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** How stdout can be written to. */
export const terminal = (): { columns: number; color: boolean } => ({
  columns: process.stdout.isTTY ? process.stdout.columns : 100,
  color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
});
