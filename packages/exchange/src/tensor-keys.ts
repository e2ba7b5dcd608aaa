import { keys, type TensorPosition } from '@lvnet/redis';
import type { Node } from './tree.js';

/** What a key on the tensor server holds: a node's partial sum of a bucket, or the bucket's whole sum. */
export interface TensorKey {
  position: TensorPosition;
  bucket: number;
  /** undefined: the whole sum. */
  node: Node | undefined;
}

export function tensorKey(run: string, { position, bucket, node }: TensorKey): string {
  return node === undefined
    ? keys.reduced(run, position, bucket)
    : keys.partial(run, position, bucket, node.lo, node.hi);
}

/** Names a key within a run. */
export const keyName = ({ position, bucket, node }: TensorKey): string =>
  `${String(position.life)}:${String(position.step)}.${String(position.attempt)}:${String(bucket)}:${String(node?.lo)}-${String(node?.hi)}`;

/** undefined for what is no such key of the run. */
export function parseTensorKey(run: string, key: string): TensorKey | undefined {
  const rest = key.startsWith(`{${run}}:`) ? key.slice(run.length + 3) : '';
  const found = /^(?:o|p(?=.*-)):(\d+):(\d+)\.(\d+):(\d+)(?::(\d+)-(\d+))?$/.exec(rest);
  if (found === null) return undefined;
  const [, life, step, attempt, bucket, lo, hi] = found;
  const node = lo === undefined ? undefined : { lo: Number(lo), hi: Number(hi) };
  return {
    position: { life: Number(life), step: Number(step), attempt: Number(attempt) },
    bucket: Number(bucket),
    node,
  };
}
