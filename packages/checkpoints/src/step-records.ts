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
  /** SHA-256 of the weights after the step; with it a reader can check the digest. Logs of old lack it. */
  weights: z.string().optional(),
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

/** Whether the record of a step lies in the store, from the names of the parts. */
export async function storedSteps(store: Store, run: string): Promise<(step: number) => boolean> {
  const parts: { first: number; count: number }[] = [];
  for await (const { key } of store.list(folder(run))) {
    const [, first, count] = /\/(\d+)-(\d+)\.jsonl$/.exec(key) ?? [];
    if (first !== undefined) parts.push({ first: Number(first), count: Number(count) });
  }
  return (step) => parts.some(({ first, count }) => step >= first && step < first + count);
}

/** What a run's step log holds, as it lies in the store. */
export interface StepLines {
  /** In the order of the parts; after a restart from a checkpoint steps appear twice. */
  records: StepRecord[];
  /** Lines that are no records. */
  damaged: { key: string; line: number }[];
}

export async function readStepLines(store: Store, run: string): Promise<StepLines> {
  const lines: StepLines = { records: [], damaged: [] };
  for await (const { key } of store.list(folder(run))) {
    if (!key.endsWith('.jsonl')) continue;
    const text = new TextDecoder().decode(await store.get(key));
    for (const [i, line] of text.split('\n').entries()) {
      const record = line === '' ? undefined : parseLine(line);
      if (record !== undefined) lines.records.push(record);
      else if (line !== '') lines.damaged.push({ key, line: i + 1 });
    }
  }
  return lines;
}

/**
 * All steps in order, those done twice once, after it is seen that their digests agree.
 *
 * @throws Failure('DIGEST_MISMATCH') when the same step has two digests, Failure('STORE_INVALID') for a line
 *   that is no record
 */
export async function readSteps(store: Store, run: string): Promise<StepRecord[]> {
  const { records, damaged } = await readStepLines(store, run);
  const [first] = damaged;
  if (first !== undefined) throw unreadable(first);
  const byStep = new Map<number, StepRecord>();
  for (const record of records) {
    const known = byStep.get(record.step);
    if (known !== undefined && known.digest !== record.digest) throw mismatch(run, known, record);
    byStep.set(record.step, record);
  }
  return [...byStep.values()].sort((a, b) => a.step - b.step);
}

function parseLine(line: string): StepRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch {
    return undefined; // whoever asks names the line
  }
}

function unreadable({ key, line }: { key: string; line: number }): Failure {
  return new Failure(
    'STORE_INVALID',
    { key, line },
    {
      message: `Line ${String(line)} of ${key} in the store is no record of a step.`,
      hint: 'Was it edited by hand? lvnet audit shows what else is wrong.',
    },
  );
}

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
