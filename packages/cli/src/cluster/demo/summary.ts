import { fileURLToPath } from 'node:url';
import { readCaseResults, type RunStatus } from '@lvnet/coordinator';
import { runKeys } from '@lvnet/experiments';
import type { Store } from '@lvnet/store';
import type { Killing } from './kill-one.js';
import type { Proof } from './proof.js';

/** The JSON of the demo: a run's status and what the demo is about. */
export interface DemoOutcome extends RunStatus {
  testDice: number | null;
  /** The best HU window's Dice on the test cases. */
  thresholdDice: number | null;
  baselines: { name: string; dice: number }[];
  report: string;
  /** How many workers were killed on the way. */
  killed: number;
  killing: Killing | null;
  proof: Proof | null;
  seconds: number;
}

export async function readOutcome(
  store: Store,
  status: RunStatus,
  killing: Killing | null,
  proof: Proof | null,
  seconds: number,
): Promise<DemoOutcome> {
  const text = new TextDecoder().decode(await store.get(runKeys.report(status.run)));
  const { baselines = [] } = JSON.parse(text) as { baselines?: { name: string; dice: number }[] };
  const page = `${store.url}/runs/${status.run}/report/report.html`;
  return {
    ...status,
    testDice: await meanTestDice(store, status),
    thresholdDice: baselines[0]?.dice ?? null,
    baselines,
    report: page.startsWith('file:') ? fileURLToPath(page) : page,
    killed: killing === null ? 0 : 1,
    killing,
    proof,
    seconds,
  };
}

async function meanTestDice(store: Store, status: RunStatus): Promise<number | null> {
  const step = status.metrics.best?.step ?? status.step;
  const values = (await readCaseResults(store, status.run))
    .filter((result) => result.split === 'test' && result.step === step)
    .flatMap((result) => result.metrics.dice ?? []);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function summaryLines(outcome: DemoOutcome): string[] {
  const { killing, proof } = outcome;
  const width = Math.max(...outcome.baselines.map((baseline) => baseline.name.length), 20);
  return [
    '',
    `${outcome.name}: ${String(outcome.step)} steps; everything together took ${outcome.seconds.toFixed(0)} s`,
    '',
    'Mean Dice on the test cases',
    `  ${'LV-Net'.padEnd(width)}  ${outcome.testDice?.toFixed(3) ?? '-'}`,
    ...outcome.baselines.map(({ name, dice }) => `  ${name.padEnd(width)}  ${dice.toFixed(3)}`),
    '',
    ...(killing === null ? [] : killLines(killing)),
    ...(proof === null ? [] : proofLines(proof)),
    ...outcome.notes.map((note) => `Note: ${note}`),
    '',
    `Report with curves and pictures: ${outcome.report}`,
  ];
}

function killLines(killing: Killing): string[] {
  const recovered =
    killing.recoveredSeconds === null
      ? ''
      : `; the next step was there ${killing.recoveredSeconds.toFixed(1)} s later`;
  return [`Killed one worker with SIGKILL after step ${String(killing.atStep)}${recovered}.`];
}

function proofLines(proof: Proof): string[] {
  return [
    `It did not matter: steps ${String(proof.fromStep + 1)}-${String(proof.toStep)}, replayed alone without faults, give the same weights:`,
    `  run     ${proof.logged}`,
    `  replay  ${proof.replayed}`,
  ];
}
