// npm run simulate -- --seed S: replays one schedule of faults. --count N [--from S]: judges many of them.
import { parseArgs } from 'node:util';
import { drawSchedule } from './schedule.js';
import { simulateRange } from './range.js';
import { shrink } from './shrink.js';
import { play, type Outcome } from './simulate.js';

const usage = `Usage: npm run simulate -- --seed S [--shrink]
       npm run simulate -- --count N [--from S] [--first] [--json]

Trains a toy network on a simulated cluster with virtual time: members, exchange and views are the real ones,
network, store and Redis are simulated, and faults strike by a schedule that follows from the seed.

  --seed S    plays one schedule and shows all that happened
  --shrink    leaves out the faults that its violation does not need
  --count N   plays N schedules and lists those that break a promise
  --from S    the first seed of these (default 1)
  --first     stops at the first one that breaks a promise
  --json      prints the counts as JSON
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    shrink: { type: 'boolean' },
    count: { type: 'string' },
    from: { type: 'string' },
    first: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.seed !== undefined) await replay(Number(values.seed));
else if (values.count !== undefined) await judge(Number(values.from ?? 1), Number(values.count));
else {
  process.stdout.write(usage);
  if (values.help !== true) process.exitCode = 2;
}

async function replay(seed: number): Promise<void> {
  let schedule = drawSchedule(seed);
  if (values.shrink === true) schedule = await shrink(schedule);
  const outcome = await play(schedule, true);
  process.stdout.write(
    `${JSON.stringify(schedule, undefined, 1)}\n${outcome.trace.join('\n')}\n${verdict(outcome)}\n`,
  );
  if (outcome.violations.length > 0) process.exitCode = 1;
}

async function judge(from: number, count: number): Promise<void> {
  const report = await simulateRange({ from, count, first: values.first === true }, (outcome) => {
    if (outcome.violations.length > 0) process.stderr.write(`${verdict(outcome)}\n`);
  });
  if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
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

function verdict({ schedule, violations, virtualMs }: Outcome): string {
  const found = violations.length === 0 ? 'all promises held' : violations.join('\n  ');
  return `seed ${String(schedule.seed)} (${(virtualMs / 1000).toFixed(1)} s): ${found}`;
}
