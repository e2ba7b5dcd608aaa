import assert from 'node:assert/strict';
import { createLocalSegments } from '@lvnet/kernels';
import { bucketTable, type Bucket } from './buckets.js';
import { createPeerMemory } from './peer-memory.js';
import type { TensorKey } from './tensor-keys.js';
import { addParts, partOf } from './wire.js';

const buckets = bucketTable(40);
const wire = { format: 'bf16', roundedLength: 37 } as const;
const sha = 'ab'.repeat(32);
const key = (step: number, bucket: number, over: Partial<TensorKey> = {}): TensorKey => ({
  ...{ position: { life: 1, step, attempt: 0 }, bucket, node: { lo: 0, hi: 2 } },
  ...over,
});
const valuesOf = ({ start, end }: Bucket, scale = 1) =>
  Float32Array.from({ length: end - start }, (_, i) => (start + i) * scale);

function pair() {
  const segments = createLocalSegments();
  const [writer, reader] = [1, 2].map((seed) =>
    createPeerMemory(segments, buckets, wire, new Uint8Array(16).fill(seed)),
  ) as [Memory, Memory];
  const address = writer.address ?? '';
  const read = (of: TensorKey, first?: string) => {
    const bucket = buckets[of.bucket] as Bucket;
    const found = reader.find(of, bucket, first);
    if (found === undefined) return undefined;
    const values = new Float32Array(bucket.end - bucket.start);
    addParts({ sources: [found], order: [0] }, partOf(wire, bucket, values));
    return values;
  };
  const put = (of: TensorKey, scale = 1) => {
    const bucket = buckets[of.bucket] as Bucket;
    return writer.put(of, bucket, valuesOf(bucket, scale), sha);
  };
  return { segments, writer, reader, address, read, put };
}

type Memory = ReturnType<typeof createPeerMemory>;

describe('memory that members share', () => {
  it('gives each message to who knows its name and where it is', () => {
    const { reader, address, read, put } = pair();
    for (const bucket of buckets) assert.equal(put(key(5, bucket.index)), true);
    assert.equal(read(key(5, 3)), undefined, 'not opened yet');
    assert.equal(reader.open('w', address), 'new');
    for (const bucket of buckets) assert.deepEqual(read(key(5, bucket.index), 'w'), valuesOf(bucket));
    const others = [
      key(6, 3),
      key(5, 3, { node: undefined }),
      key(5, 3, { node: { lo: 0, hi: 4 } }),
      key(5, 3, { position: { life: 2, step: 5, attempt: 0 } }),
      key(5, 3, { position: { life: 1, step: 5, attempt: 1 } }),
    ];
    for (const other of others) assert.equal(read(other), undefined);
  });

  it('says from which weights a message was computed', () => {
    const { writer, reader, address } = pair();
    const [bucket] = buckets as [Bucket];
    writer.put(key(1, 0), bucket, valuesOf(bucket), sha);
    reader.open('w', address);
    assert.equal(reader.find(key(1, 0), bucket, undefined)?.weightsSha256, sha);
  });

  it('keeps what it has until it is released, and refuses what has no room', () => {
    const { writer, reader, address, read, put } = pair();
    reader.open('w', address);
    for (let attempt = 0; attempt < 4; attempt++) {
      for (const { index } of buckets) assert.equal(put(key(7 + attempt, index)), true);
    }
    assert.equal(put(key(7, 0), 2), true, 'there already');
    assert.equal(put(key(11, 0)), false);
    assert.deepEqual(read(key(7, 0)), valuesOf(buckets[0] as Bucket));
    const before = reader.find(key(7, 0), buckets[0] as Bucket, 'w');
    writer.release(7);
    assert.equal(before?.isStill(), true);
    assert.equal(put(key(11, 0)), true);
    assert.equal(before.isStill(), false);
    assert.equal(read(key(7, 0)), undefined, 'its place was taken');
    assert.ok(read(key(8, 0)) !== undefined);
    writer.clear();
    assert.equal(put(key(12, 0)), true);
  });

  it('reads what whoever came back under its name writes, not what it left behind', () => {
    const { segments, writer, reader, address, read, put } = pair();
    put(key(3, 0));
    assert.equal(reader.open('w', address), 'new');
    assert.equal(reader.open('w', address), 'known');
    writer.close();
    const [bucket] = buckets as [Bucket];
    const again = createPeerMemory(segments, buckets, wire, new Uint8Array(16).fill(3));
    again.put(key(4, 0), bucket, valuesOf(bucket, 2), sha);
    assert.equal(reader.open('w', again.address ?? ''), 'replaced');
    assert.deepEqual(read(key(4, 0), 'w'), valuesOf(bucket, 2));
    assert.equal(read(key(3, 0), 'w'), undefined);
  });

  it('opens only what the address says', () => {
    const { writer, reader, address, read, put } = pair();
    put(key(1, 0));
    const [place = ''] = address.split('#');
    assert.equal(reader.open('w', `${place}#${'00'.repeat(16)}`), undefined, 'somebody else is there by now');
    assert.equal(reader.open('w', `nowhere#${'01'.repeat(16)}`), undefined);
    assert.equal(reader.open('w', address), 'new');
    writer.close();
    assert.ok(read(key(1, 0)) !== undefined, 'the dead can be read');
    reader.keepOnly(new Set());
    assert.equal(read(key(1, 0)), undefined);
    assert.equal(reader.open('w', address), undefined);
  });
});
