import type { StepRecord } from '@lvnet/checkpoints';
import { asFailure } from '@lvnet/core';
import type { Store } from '@lvnet/store';
import { z } from 'zod';

const lineSchema = z.object({
  step: z.number().int().positive(),
  epoch: z.number().int().positive(),
  loss: z.number(),
  lr: z.number(),
  digest: z.string(),
  weights: z.string().optional(),
  samples: z.array(z.string()),
});

interface JoinedLogProblem {
  step: number | null;
  message: string;
}

/**
 * The first thing that is wrong with a run's joined log, the parts of its step log one behind the other. A store that
 * cannot append has none. Lines may be missing: a part is written before it is appended.
 *
 * @param o.parts the records of the parts, some of them twice
 * @param o.isFinished nobody writes to it any more
 */
export async function checkJoinedLog(
  store: Store,
  run: string,
  o: { parts: readonly StepRecord[]; isFinished: boolean },
): Promise<JoinedLogProblem[]> {
  const key = `runs/${run}/steps.jsonl`;
  const text = await textOf(store, key);
  const isMissing = text.trim() === '' && store.append !== undefined && o.parts.length > 0;
  if (isMissing) return [{ step: null, message: `${key} is missing, the joined log of steps` }];
  const byStep = new Map<number, StepRecord[]>();
  for (const record of o.parts) byStep.set(record.step, [...(byStep.get(record.step) ?? []), record]);
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const where = `${key} line ${String(i + 1)}`;
    const record = parseLine(line);
    if (record === undefined) {
      if (i === lines.length - 1 && !o.isFinished) continue; // being written
      return [{ step: null, message: `${where}: is no record` }];
    }
    const other = differenceOf(record, byStep.get(record.step) ?? []);
    if (other !== undefined)
      return [{ step: record.step, message: `${where}: has another ${other} than the step's record` }];
  }
  return [];
}

async function textOf(store: Store, key: string): Promise<string> {
  try {
    return new TextDecoder().decode(await store.get(key));
  } catch (error) {
    if (asFailure(error).code !== 'STORE_NOT_FOUND') throw error;
    return '';
  }
}

type Line = z.infer<typeof lineSchema>;

function parseLine(line: string): Line | undefined {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    return undefined; // whoever asks names the line
  }
}

/** A step that was done again has several records: the line has to be that of one. */
function differenceOf(line: Line, parts: readonly StepRecord[]): 'digest' | 'weights' | undefined {
  if (parts.length === 0) return undefined; // that a step has no record is told elsewhere
  const same = parts.filter(({ digest }) => digest === line.digest);
  if (same.length === 0) return 'digest';
  return same.some(({ weights }) => weights === line.weights) ? undefined : 'weights';
}
