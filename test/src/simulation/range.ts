import type { Outcome } from './outcome.js';

/** What many schedules came to. */
export interface RangeReport {
  schedules: number;
  events: number;
  /** Schedules in which a fault of a kind struck. */
  faults: Record<string, number>;
  /** What members told of: why views changed, retries, lost connections; counted over all schedules. */
  facts: Record<string, number>;
  bad: { seed: number; violations: string[] }[];
}

export interface Range {
  from: number;
  count: number;
  /** Stops at the first schedule that breaks a promise. */
  first?: boolean;
}

type AnyOutcome = Outcome<{ seed: number; faults: readonly { kind: string }[] }>;

/** Plays the schedules of the seeds `from` to `from + count - 1`, one after the other. */
export async function simulateRange(
  { from, count, first = false }: Range,
  simulate: (seed: number) => Promise<AnyOutcome>,
  onOutcome: (outcome: AnyOutcome) => void = () => undefined,
): Promise<RangeReport> {
  const report = emptyReport();
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed);
    add(report, outcome);
    onOutcome(outcome);
    if (first && report.bad.length > 0) break;
  }
  return report;
}

export const emptyReport = (): RangeReport => ({ schedules: 0, events: 0, faults: {}, facts: {}, bad: [] });

function add(report: RangeReport, { schedule, events, violations, facts }: AnyOutcome): void {
  report.schedules++;
  report.events += events;
  for (const kind of new Set(schedule.faults.map((fault) => fault.kind))) addTo(report.faults, kind, 1);
  for (const [name, times] of Object.entries(facts)) addTo(report.facts, name, times);
  if (violations.length > 0) report.bad.push({ seed: schedule.seed, violations });
}

/** Adds what another process found. */
export function merge(report: RangeReport, other: RangeReport): void {
  report.schedules += other.schedules;
  report.events += other.events;
  for (const [name, times] of Object.entries(other.faults)) addTo(report.faults, name, times);
  for (const [name, times] of Object.entries(other.facts)) addTo(report.facts, name, times);
  report.bad.push(...other.bad);
}

function addTo(table: Record<string, number>, name: string, times: number): void {
  table[name] = (table[name] ?? 0) + times;
}
