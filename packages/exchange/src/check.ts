import { activeMembers, computerOf, isBarred, isSkipped, type View } from './view.js';

/**
 * Every so many steps one shard is computed by two members and compared by hash: a wrong gradient that is finite
 * shows nowhere else, since everybody applies the same sum. Pure: who sees the same view and the same statements
 * comes to the same verdict.
 */
export const usualCheckEverySteps = 50;

/** The shard that is checked in a step: another one each time. */
export const checkedShard = (step: number, everySteps: number, leaves: number): number | undefined =>
  step % everySteps === 0 ? (step / everySteps) % leaves : undefined;

/**
 * Must a member say what it found? `own`: what it said before. Twice, and whatever contradicts that, once: whoever kept
 * a contradiction to itself would compute the shard again for ever, since its result may not be used.
 */
export const isToBeSaid = (own: readonly string[], sha256: string): boolean =>
  own.length < 2 || new Set([...own, sha256]).size > new Set(own).size;

/** What a member says it computed, the first, the second or, where it contradicts these, the third time. */
export interface Statement {
  worker: string;
  time: number;
  sha256: string;
}

export type CheckVerdict =
  | { kind: 'passed' }
  /** These have to compute the shard (once more), and say what they found. */
  | { kind: 'asked'; workers: readonly string[] }
  | { kind: 'guilty'; workers: readonly string[]; why: string }
  /** Each says the same thing twice, and there is nobody else to ask. */
  | { kind: 'undecided'; workers: readonly string[] };

export interface CheckSituation {
  view: View;
  step: number;
  shard: number;
  everySteps: number;
  statements: readonly Statement[];
}

/**
 * Two that say the same pass. Where they differ a third decides; where there is none, each computes once more:
 * who contradicts itself is wrong.
 */
export function judgeCheck(s: CheckSituation): CheckVerdict {
  const { view, step, shard } = s;
  if (isSkipped(view, shard, step)) return { kind: 'passed' };
  const able = activeMembers(view, step)
    .map(({ worker }) => worker)
    .filter((worker) => !isBarred(view, shard, step, worker));
  const said = s.statements.filter(({ worker }) => !isBarred(view, shard, step, worker));
  const unsteady = speakers(said).filter((worker) => shasOf(said, worker).size > 1);
  if (unsteady.length > 0) return accused(unsteady, able, 'contradicts itself');
  const shas = new Set(said.map(({ sha256 }) => sha256));
  return shas.size > 1 ? settle(said, able) : gather(s, said, able);
}

/** Nobody disagrees: are there two that agree, or as many as there can be? */
function gather(s: CheckSituation, said: readonly Statement[], able: readonly string[]): CheckVerdict {
  const { view, step, shard, everySteps } = s;
  const spoken = speakers(said);
  if (able.length < 2 || spoken.length >= 2) return { kind: 'passed' };
  const home = computerOf(view, shard, step);
  const others = able.filter((worker) => worker !== home);
  const checker = others[(step / everySteps) % others.length];
  const workers = [home, checker].filter((worker) => worker !== undefined && !spoken.includes(worker));
  return { kind: 'asked', workers: workers as string[] };
}

/** They differ. */
function settle(said: readonly Statement[], able: readonly string[]): CheckVerdict {
  const spoken = speakers(said);
  const [most = ''] = [...new Set(said.map(({ sha256 }) => sha256))].sort(
    (a, b) => speakersOf(said, b).length - speakersOf(said, a).length || (a < b ? -1 : 1),
  );
  const believed = speakersOf(said, most);
  if (2 * believed.length > spoken.length) {
    const others = spoken.filter((worker) => !believed.includes(worker));
    return accused(others, able, `computes otherwise than ${believed.join(' and ')}`);
  }
  const third = able.find((worker) => !spoken.includes(worker));
  if (third !== undefined) return { kind: 'asked', workers: [third] };
  const once = able.filter((worker) => said.filter((item) => item.worker === worker).length < 2);
  if (once.length > 0) return { kind: 'asked', workers: once };
  const steady = new Set(said.filter(({ worker }) => able.includes(worker)).map(({ sha256 }) => sha256));
  const gone = spoken.filter((worker) => !able.includes(worker));
  // Who is gone cannot be asked again: those who are there and agree are believed.
  if (steady.size === 1 && gone.length > 0)
    return accused(gone, able, 'computed otherwise than all who are left');
  return { kind: 'undecided', workers: spoken };
}

/** Somebody must be left who is believed. */
function accused(workers: readonly string[], able: readonly string[], why: string): CheckVerdict {
  const isAnybodyLeft = able.some((worker) => !workers.includes(worker));
  return isAnybodyLeft ? { kind: 'guilty', workers, why } : { kind: 'undecided', workers };
}

const speakers = (said: readonly Statement[]): string[] => [
  ...new Set(said.map(({ worker }) => worker).sort()),
];
const speakersOf = (said: readonly Statement[], sha256: string): string[] =>
  speakers(said.filter((item) => item.sha256 === sha256));
const shasOf = (said: readonly Statement[], worker: string): Set<string> =>
  new Set(said.filter((item) => item.worker === worker).map(({ sha256 }) => sha256));

/** Lines of WORKER TIME SHA256, as the server keeps them. */
export function parseStatements(text: string): Statement[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [worker = '', time = '', sha256 = ''] = line.split(' ');
      return { worker, time: Number(time), sha256 };
    });
}
