import assert from 'node:assert/strict';
import { Failure } from '@lvnet/core';
import type { LvNetConfig } from '@lvnet/networks/description';
import { parseExperiment, type Experiment, type Problem } from './index.js';

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

/** The options of an experiment whose network is LV-Net. */
export function lvNetOf({ network }: Pick<Experiment, 'network'>): LvNetConfig {
  assert.equal(network.name, 'lv-net');
  return network;
}
