import { counted } from '@lvnet/core';
import type { Books, Recomputed } from '@lvnet/training';
import { table } from '../../cluster/print.js';

/** The JSON of `lvnet audit`. */
export interface Audit {
  run: string;
  name: string;
  holds: boolean;
  /** First and last step of the run so far; those of a fork's parent are its own affair. */
  steps: { first: number; last: number };
  digest: string | null;
  chain: { holds: boolean; checkpoints: number[] };
  ledger: { holds: boolean; epochs: Books['ledger'] };
  /** Drawn with this seed. */
  seed: number;
  recomputed: Recomputed[];
  problems: { kind: 'document' | 'chain' | 'ledger' | 'recomputed'; step: number | null; message: string }[];
}

/** What an audit found, for people: a table, what is wrong, and the verdict in the last line. */
export function auditLines(audit: Audit): string[] {
  const { run, name, recomputed, problems } = audit;
  return [
    `run ${run} (${name})`,
    ...table([
      ['chain', word(audit.chain.holds), chainText(audit)],
      ['ledger', word(audit.ledger.holds), ledgerText(audit)],
      [
        'recomputed',
        recomputed.length === 0 ? '-' : word(recomputed.every(({ holds }) => holds)),
        recomputedText(audit),
      ],
    ]),
    ...problems.map(({ step, message }) => (step === null ? message : `step ${String(step)}: ${message}`)),
    audit.holds
      ? `Verdict: all holds up to step ${String(audit.steps.last)}, digest ${audit.digest ?? '-'}.`
      : `Verdict: ${counted(problems.length, 'problem')}; this run is not what its experiment gives.`,
  ];
}

const word = (holds: boolean): string => (holds ? 'holds' : 'broken');

function chainText({ steps, chain }: Audit): string {
  const checkpoints = chain.checkpoints.length === 0 ? 'none' : chain.checkpoints.map(String).join(', ');
  return `steps ${String(steps.first)} to ${String(steps.last)}; checkpoints: ${checkpoints}`;
}

function ledgerText({ ledger: { epochs } }: Audit): string {
  const finished = epochs.filter((epoch) => epoch.finished).length;
  const sum = (count: (epoch: (typeof epochs)[number]) => number) =>
    epochs.reduce((total, epoch) => total + count(epoch), 0);
  const skipped = epochs.flatMap((epoch) =>
    epoch.skipped.map((id) => `${id} in epoch ${String(epoch.epoch)}`),
  );
  const open = finished < epochs.length ? ' and one that is not finished' : '';
  return [
    `${counted(finished, 'epoch')}${open}: ${String(sum(({ once }) => once))} of ${String(sum(({ expected }) => expected))} samples used exactly once`,
    ...(skipped.length === 0 ? [] : [`left out on purpose: ${skipped.join(', ')}`]),
  ].join('; ');
}

function recomputedText({ recomputed, seed }: Audit): string {
  if (recomputed.length === 0) return 'no step';
  const steps = recomputed.map(({ step, fromStep }) => `${String(step)} (from ${String(fromStep)})`);
  return `steps ${steps.join(', ')}; --seed ${String(seed)} draws them again`;
}
