import { Failure } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import { z } from 'zod';

const recordSchema = z.object({
  step: z.number().int().positive(),
  epoch: z.number().int().positive(),
  loss: z.number(),
  heads: z.record(z.string(), z.number()),
  lr: z.number(),
  digest: z.string(),
  samples: z.array(z.string()),
  /** Samples of the batch that were left out because no member could use them. */
  skipped: z.array(z.string()).optional(),
  seconds: z.record(z.string(), z.number()),
});

/** One line of the step log. */
export type StepRecord = z.infer<typeof recordSchema>;

const folder = (run: string): string => `runs/${run}/steps/`;

/** Writes records as one immutable part, named after its first step; nothing for no records. */
export async function writeSteps(store: Store, run: string, records: readonly StepRecord[]): Promise<void> {
  const [first] = records;
  if (first === undefined) return;
  const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
  await store.put(
    `${folder(run)}${String(first.step).padStart(9, '0')}-${String(records.length)}.jsonl`,
    text,
  );
  await store.append?.(`runs/${run}/steps.jsonl`, text);
}

/**
 * All steps in order. After a restart from a checkpoint steps appear twice: they are dropped once it is
 * seen that their digests agree.
 *
 * @throws Failure('DIGEST_MISMATCH') when the same step has two digests
 */
export async function readSteps(store: Store, run: string): Promise<StepRecord[]> {
  const byStep = new Map<number, StepRecord>();
  for await (const { key } of store.list(folder(run))) {
    if (!key.endsWith('.jsonl')) continue;
    for (const record of parsePart(new TextDecoder().decode(await store.get(key)))) {
      const known = byStep.get(record.step);
      if (known !== undefined && known.digest !== record.digest) throw mismatch(run, known, record);
      byStep.set(record.step, record);
    }
  }
  return [...byStep.values()].sort((a, b) => a.step - b.step);
}

const parsePart = (text: string): StepRecord[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => recordSchema.parse(JSON.parse(line)));

function mismatch(run: string, a: StepRecord, b: StepRecord): Failure {
  return new Failure(
    'DIGEST_MISMATCH',
    { run, step: a.step, digests: [a.digest, b.digest] },
    {
      message: `Run ${run}: step ${String(a.step)} was done twice with different results.`,
      hint: 'A machine may be computing wrongly; test its memory, and start the run again.',
    },
  );
}
