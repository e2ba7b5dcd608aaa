import { createHash } from 'node:crypto';

/**
 * A model of three numbers whose every step depends on all shards, on the order of additions and on the step:
 * a step lost, done twice or summed otherwise shows in all that follow.
 */
export interface ToyState {
  step: number;
  weights: Float32Array;
}

export const toyLength = 3;

export const toyStart = (): ToyState => ({ step: 0, weights: Float32Array.of(0.1, 0.7, -0.3) });

/** A shard's vector; `skipped`: it counts for nothing. */
export function toyLeaf(state: ToyState, shard: number, skipped: boolean, out: Float32Array): void {
  const step = state.step + 1;
  for (let i = 0; i < toyLength; i++) {
    const value = (state.weights[(i + shard) % toyLength] ?? 0) * (((step * 7 + shard * 3 + i) % 11) - 5);
    out[i] = skipped ? 0 : Math.fround(value + Math.fround(Math.sin(step * 31 + shard * 17 + i)));
  }
}

export function toyNext(state: ToyState, sum: Float32Array): ToyState {
  const weights = state.weights.map(
    (value, i) => Math.fround(value * 0.5) + Math.fround((sum[i] ?? 0) * 0.0625),
  );
  return { step: state.step + 1, weights };
}

export const toyHash = ({ weights }: ToyState): string =>
  createHash('sha256').update(new Uint8Array(weights.buffer)).digest('hex');

export function encodeToy({ step, weights }: ToyState): Uint8Array {
  const bytes = new Uint8Array(4 + weights.byteLength);
  new DataView(bytes.buffer).setUint32(0, step);
  bytes.set(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), 4);
  return bytes;
}

export function decodeToy(bytes: Uint8Array): ToyState {
  const copy = Uint8Array.from(bytes);
  return { step: new DataView(copy.buffer).getUint32(0), weights: new Float32Array(copy.slice(4).buffer) };
}
