import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Mutation } from './mutate-hooks.js';
import { emptyReport, merge, type RangeReport } from './range.js';

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Members and their exchange, or coordinators and workers. */
export type SimulationKind = 'exchange' | 'cluster';

/** Plays a range of seeds in as many processes as are asked for. */
export async function simulateInProcesses(
  from: number,
  count: number,
  processes: number,
  kind: SimulationKind = 'exchange',
): Promise<RangeReport> {
  const share = Math.ceil(count / processes);
  const starts = Array.from({ length: processes }, (_, i) => from + i * share);
  const reports = await Promise.all(
    starts.map((start) => simulateInProcess(start, Math.min(share, from + count - start), { kind })),
  );
  const report = emptyReport();
  for (const part of reports) merge(report, part);
  return report;
}

/** Plays a range of seeds in a process of its own, with a bug planted into it if one is given. */
export async function simulateInProcess(
  from: number,
  count: number,
  { kind = 'exchange', bug }: { kind?: SimulationKind; bug?: Mutation | readonly Mutation[] } = {},
): Promise<RangeReport> {
  const planted = bug === undefined ? [] : ['--import', pathOf('./mutate.js')];
  const range = [
    '--from',
    String(from),
    '--count',
    String(count),
    '--json',
    ...(kind === 'cluster' ? ['--cluster'] : []),
    ...(bug === undefined ? [] : ['--first']),
  ];
  const env = { ...process.env, LVNET_MUTATION: JSON.stringify([bug ?? []].flat()) };
  // What a schedule leaves dies young: with more room for it there is less to collect. V8's own threads would take
  // a fifth of the processors from the other processes here.
  const flags = ['--max-semi-space-size=64', '--single-threaded', ...planted];
  const child = spawn(process.execPath, [...flags, pathOf('./main.js'), ...range], { env });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => err.push(data));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const text = Buffer.concat(out).toString();
  if (!text.startsWith('{'))
    throw new Error(`exit ${String(code)}: ${Buffer.concat(err).toString().slice(0, 2_000)}`);
  return JSON.parse(text) as RangeReport;
}
