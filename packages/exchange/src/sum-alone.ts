import { bucketTable } from './buckets.js';
import { sumNode } from './tree.js';
import { addInto, roundPart, type WireFormat } from './wire.js';

/**
 * The same sum without Redis and without anybody else, for replays and audits: the same tree, the same
 * roundings, the same bytes.
 *
 * @param leaves one vector per shard, in order
 */
export function sumAlone(
  leaves: readonly Float32Array[],
  o: { wire: WireFormat; roundedLength: number },
): Float32Array {
  const length = leaves[0]?.length ?? 0;
  const wire = { format: o.wire, roundedLength: o.roundedLength };
  const sum = new Float32Array(length);
  for (const bucket of bucketTable(length)) {
    const round = (part: Float32Array) => {
      roundPart(wire, bucket, part);
    };
    const parts = leaves.map((leaf) => {
      const part = leaf.slice(bucket.start, bucket.end);
      round(part);
      return part;
    });
    const given = ({ lo, hi }: { lo: number; hi: number }) => (hi - lo === 1 ? parts[lo] : undefined);
    const total = sumNode({ lo: 0, hi: leaves.length }, given, { add: addInto, round });
    if (total !== undefined) sum.set(total, bucket.start);
  }
  return sum;
}
