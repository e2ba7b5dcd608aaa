import { canonicalJson } from '@lvnet/core';
import type { Experiment } from './experiment.js';
import { indecisiveFields } from './identity.js';

export interface ExperimentDifference {
  /** Names joined by dots; a list is one value. */
  path: string;
  /** null where the field is absent. */
  a: unknown;
  b: unknown;
  /** Has a say in the run's bytes. */
  decides: boolean;
}

/** The fields in which two experiments differ, in order of their names. */
export function experimentDifferences(a: Experiment, b: Experiment): ExperimentDifference[] {
  const [left, right] = [leavesOf(a, ''), leavesOf(b, '')];
  return [...new Set([...left.keys(), ...right.keys()])]
    .sort()
    .map((path) => ({ path, a: left.get(path) ?? null, b: right.get(path) ?? null, decides: decides(path) }))
    .filter((item) => canonicalJson(item.a) !== canonicalJson(item.b));
}

function leavesOf(value: object, prefix: string): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  for (const [name, member] of Object.entries(value) as [string, unknown][]) {
    const path = `${prefix}${name}`;
    if (typeof member !== 'object' || member === null || Array.isArray(member)) leaves.set(path, member);
    else for (const [inner, leaf] of leavesOf(member, `${path}.`)) leaves.set(inner, leaf);
  }
  return leaves;
}

const decides = (path: string): boolean =>
  !indecisiveFields.some((field) => path === field || path.startsWith(`${field}.`));
