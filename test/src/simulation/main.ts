// npm run simulate -- --seed S: replays one schedule of faults. --count N [--from S]: judges many of them.
import { readArguments, type SimulationArguments } from './arguments.js';
import { playCluster, simulateCluster } from './cluster/simulate-cluster.js';
import { drawClusterSchedule } from './cluster/schedule.js';
import type { Outcome } from './outcome.js';
import { drawSchedule } from './schedule.js';
import { simulateRange } from './range.js';
import { shrink } from './shrink.js';
import { play, simulate } from './simulate.js';

const usage = `Usage: npm run simulate -- --seed S [--cluster] [--shrink]
       npm run simulate -- --count N [--from S] [--cluster] [--first] [--json]

Plays schedules of faults in virtual time, each of which follows from its seed. Without --cluster a toy network
is trained by real members, exchange and views over a simulated Redis; with it real coordinators lead runs and
sweeps of simulated workers from submission to report.

  --seed S    plays one schedule and shows all that happened
  --cluster   coordinators and workers instead of members and their exchange
  --shrink    leaves out the faults that its violation does not need
  --count N   plays N schedules and lists those that break a promise
  --from S    the first seed of these (default 1)
  --first     stops at the first one that breaks a promise
  --json      prints the counts as JSON
`;

const asked = readArguments(process.argv.slice(2));
if (typeof asked === 'string') {
  process.stderr.write(`${asked}\n`);
  process.exitCode = 2;
} else await simulateAsked(asked);

async function simulateAsked(o: SimulationArguments): Promise<void> {
  const { seed, count, cluster, shrink: isShrunk } = o;
  if (seed !== undefined) {
    if (cluster) await replay(drawClusterSchedule(seed), playCluster, isShrunk);
    else await replay(drawSchedule(seed), play, isShrunk);
  } else if (count !== undefined) await judge(o, count);
  else {
    process.stdout.write(usage);
    if (!o.help) process.exitCode = 2;
  }
}

interface Drawn {
  seed: number;
  faults: readonly { kind: string }[];
}

async function replay<S extends Drawn>(
  drawn: S,
  play: (schedule: S, isTraced: boolean) => Promise<Outcome<S>>,
  isShrunk: boolean,
): Promise<void> {
  const schedule = isShrunk ? await shrink(drawn, play) : drawn;
  const outcome = await play(schedule, true);
  process.stdout.write(
    `${JSON.stringify(schedule, undefined, 1)}\n${outcome.trace.join('\n')}\n${verdict(outcome)}\n`,
  );
  if (outcome.violations.length > 0) process.exitCode = 1;
}

async function judge({ from, first, cluster, json }: SimulationArguments, count: number): Promise<void> {
  const range = { from, count, first };
  const simulateOne = cluster ? simulateCluster : simulate;
  const report = await simulateRange(range, simulateOne, (outcome) => {
    if (outcome.violations.length > 0) process.stderr.write(`${verdict(outcome)}\n`);
  });
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const { schedules, events, bad } = report;
    const counts = [
      `${String(schedules)} schedules`,
      `${String(events)} events`,
      `${String(bad.length)} broke a promise`,
    ];
    process.stdout.write(`${counts.join(', ')}\n`);
  }
  if (report.bad.length > 0) process.exitCode = 1;
}

function verdict({ schedule, violations, virtualMs }: Outcome<Drawn>): string {
  const found = violations.length === 0 ? 'all promises held' : violations.join('\n  ');
  return `seed ${String(schedule.seed)} (${(virtualMs / 1000).toFixed(1)} s): ${found}`;
}
