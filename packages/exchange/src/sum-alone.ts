import { createBucketSum } from './bucket-sum.js';
import { bucketTable } from './buckets.js';
import { createFloats } from './memory.js';
import type { WireFormat } from './wire.js';

/**
 * The same sum without Redis and without anybody else, for replays and audits: the same tree, the same
 * roundings, the same bytes.
 *
 * @param leaves one vector per shard, in order
 */
export function sumAlone(
  leaves: readonly Float32Array[],
  wire: { wire: WireFormat; roundedLength: number },
): Float32Array {
  const length = leaves[0]?.length ?? 0;
  const memory = createFloats();
  const sum = new Float32Array(length);
  for (const bucket of bucketTable(length)) {
    const sums = createBucketSum({
      bucket,
      shards: leaves.length,
      wire: { format: wire.wire, roundedLength: wire.roundedLength },
      memory,
      leafOf: (shard) => leaves[shard],
      place: sum.subarray(bucket.start, bucket.end),
    });
    sums.finish();
    sums.release();
  }
  return sum;
}
