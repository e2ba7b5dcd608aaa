import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asFailure, sleep } from '@lvnet/core';
import { openExchange } from './open-exchange.js';

/**
 * A member with a toy model: the leaf of shard m at step s is a function of (weights, s, m) only, so the
 * weights at the end tell whether every step was done exactly once.
 */
interface Settings {
  url: string;
  worker: string;
  version?: string;
  folder: string;
  shards: number;
  length: number;
  steps: number;
  wire: 'float32' | 'bf16';
  wanted: number;
  stepMs: number;
  gatherMs: number;
  leaseMs?: number;
  sharedMemory?: boolean;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const { folder, shards, length, steps } = settings;
const everySteps = 10;

interface State {
  step: number;
  weights: Float32Array;
}

const initial = (): State => ({
  step: 0,
  weights: Float32Array.from({ length }, (_, i) => Math.fround(i / length)),
});
const shaOf = (weights: Float32Array) =>
  createHash('sha256').update(new Uint8Array(weights.buffer)).digest('hex');
const encode = ({ step, weights }: State) => {
  const bytes = new Uint8Array(8 + weights.byteLength);
  new DataView(bytes.buffer).setUint32(0, step);
  bytes.set(new Uint8Array(weights.buffer), 8);
  return bytes;
};
const decode = (bytes: Uint8Array): State => ({
  step: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0),
  weights: new Float32Array(Uint8Array.from(bytes.subarray(8)).buffer),
});

function newestCheckpoint(): State {
  const found = readdirSync(folder).flatMap((name) => /^c(\d+)$/.exec(name)?.[1] ?? []);
  const step = Math.max(0, ...found.map(Number));
  return step === 0 ? initial() : decode(readFileSync(join(folder, `c${String(step)}`)));
}

function nextLife(): number {
  for (let life = 1; ; life++) {
    const path = join(folder, `life${String(life)}`);
    if (existsSync(path)) continue;
    writeFileSync(path, settings.worker, { flag: 'wx' });
    return life;
  }
}

async function main(): Promise<void> {
  let state = initial();
  const exchange = openExchange({
    run: 'toy',
    worker: settings.worker,
    redisUrl: settings.url,
    shards,
    length,
    roundedLength: length - 3,
    wire: settings.wire,
    minMembers: 1,
    wantedMembers: settings.wanted,
    gatherMs: settings.gatherMs,
    ...(settings.leaseMs === undefined ? {} : { leaseMs: settings.leaseMs }),
    sharedMemory: settings.sharedMemory ?? true,
    terms: { version: settings.version ?? '1' },
    hasLived: existsSync(join(folder, 'life1')),
    foundLife: () => Promise.resolve({ life: nextLife(), step: newestCheckpoint().step }),
    snapshot: () => ({ step: state.step, bytes: encode(state) }),
    onReport: (fact) => {
      process.send?.({ kind: 'fact', fact });
    },
  });
  const never = new AbortController().signal;
  for (;;) {
    try {
      const seat = await exchange.join(never);
      state = seat.state === null ? newestCheckpoint() : decode(seat.state);
      if (state.step !== seat.step)
        throw new Error(`seat at ${String(seat.step)}, state at ${String(state.step)}`);
      while (state.step < steps) {
        const step = state.step + 1;
        const { weights } = state;
        const reduced = await exchange.reduce(step, shaOf(weights), async (shard, out) => {
          if (settings.stepMs > 0) await sleep(settings.stepMs);
          for (let i = 0; i < length; i++) {
            out[i] =
              Math.fround((weights[(i + shard) % length] ?? 0) * (((step * 7 + shard * 3) % 11) - 5)) + 0.25;
          }
          return true;
        });
        if (reduced.kind !== 'reduced') throw new Error('a shard was bad');
        if (!(await exchange.commit(step, reduced.attempt))) continue;
        const { sum, view, computed } = reduced;
        state = { step, weights: weights.map((value, i) => value * 0.5 + (sum[i] ?? 0) * 0.01) };
        process.send?.({
          kind: 'step',
          step,
          sha: shaOf(state.weights),
          computed,
          members: view.members.length,
        });
        if (step % everySteps === 0 && exchange.rank() === 0) {
          const path = join(folder, `c${String(step)}`);
          writeFileSync(`${path}.new-${settings.worker}`, encode(state));
          renameSync(`${path}.new-${settings.worker}`, path);
        }
      }
      await exchange.leave({ finished: true });
      process.send?.({ kind: 'end', sha: shaOf(state.weights) });
      await exchange.close();
      process.disconnect();
      return;
    } catch (error) {
      const failure = asFailure(error);
      process.send?.({ kind: 'failure', code: failure.code, message: failure.message });
      if (failure.code !== 'MEMBER_EVICTED') throw error;
    }
  }
}

await main();
