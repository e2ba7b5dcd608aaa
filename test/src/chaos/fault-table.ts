/** A fault that struck a run; null: the run stood still after it. */
export interface Struck {
  kind: string;
  step: number;
  recoverySeconds: number | null;
}

/** By kind: how often, and how long it took until training went on. */
export function faultTable(struck: readonly Struck[]): string {
  const kinds = [...new Set(struck.map((item) => item.kind))].sort();
  const rows = kinds.map((kind) => {
    const all = struck.filter((item) => item.kind === kind);
    const seconds = all.flatMap((item) => item.recoverySeconds ?? []).sort((a, b) => a - b);
    const show = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(1)).padStart(7);
    const still = all.length - seconds.length;
    const note = still === 0 ? '' : `  ${String(still)} stood still`;
    return `${kind.padEnd(42)}${String(all.length).padStart(6)}${show(seconds[seconds.length >> 1])}${show(seconds.at(-1))}${note}`;
  });
  return [
    `${'fault'.padEnd(42)}${'times'.padStart(6)}${'median'.padStart(7)}${'worst'.padStart(7)}  (s)`,
    ...rows,
  ].join('\n');
}
