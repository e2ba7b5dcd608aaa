import assert from 'node:assert/strict';
import { listCheckpoints } from '@lvnet/checkpoints';
import type { RunStatus } from '@lvnet/coordinator';
import type { TestCluster } from './cluster.js';

/** SHA-256 of the weights that a run ends with. */
export async function weightsAtEnd(cluster: TestCluster, run: string, limitMs: number): Promise<string> {
  const last = await cluster.until(run, 'the run ends', limitMs, (status) => status.state === 'done');
  const final = (await listCheckpoints(cluster.store, run)).find(({ step }) => step === last.step);
  const weights = final?.files.find((file) => file.name === 'weights.safetensors');
  assert.ok(weights !== undefined, 'the last step has a checkpoint');
  return weights.sha256;
}

/** All that a run says of what happened to it. */
export const wordsOf = (status: RunStatus): string =>
  [...status.notes, ...status.events.map((event) => event.text), status.reason ?? ''].join('\n');
