/** What playing a schedule came to. */
export interface Outcome<S extends { seed: number; faults: readonly { kind: string }[] }> {
  schedule: S;
  /** What must never happen, in words; none for a good run. */
  violations: string[];
  virtualMs: number;
  events: number;
  /** Every remarkable thing in order, where it was asked for. */
  trace: string[];
  /** What was told of, by kind. */
  facts: Record<string, number>;
}
