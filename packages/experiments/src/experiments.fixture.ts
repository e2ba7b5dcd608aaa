import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import { parseExperiment, type Problem } from './index.js';

/** The least an experiment must say. */
export const base = 'data: { root: /data/lits }\n';

/** The failure that parsing ends with. */
export function failureOf(text: string, set?: readonly string[]): Failure {
  try {
    parseExperiment(text, { file: 'liver.yaml', ...(set === undefined ? {} : { set }) });
  } catch (error) {
    assert.ok(error instanceof Failure, `not a Failure: ${String(error)}`);
    return error;
  }
  throw new Error('it was taken');
}

export const problemsOf = (failure: Failure): Problem[] => failure.details['problems'] as Problem[];
