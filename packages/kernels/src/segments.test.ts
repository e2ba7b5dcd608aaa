import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { skipWithoutAddon } from './addon.fixture.js';
import { numbers } from './kernels.fixture.js';
import { nativeSegments } from './native-segments.js';
import { createLocalSegments } from './reference/segments.js';
import { referenceKernels } from './reference/index.js';
import {
  segmentMarkBytes,
  segmentNameBytes,
  slotBytes,
  slotValues,
  type SlotPlace,
  type Segments,
} from './segments.js';

const native = nativeSegments();
const length = 1_003;
const bytesOf = (seed: number, count: number) => Uint8Array.from({ length: count }, (_, i) => seed + i * 7);
const headOf = (name: Uint8Array, mark: Uint8Array) => Uint8Array.of(...name, ...mark);

/** A segment with two messages, as somebody else sees it. */
function written(segments: Segments, halves: number) {
  const stride = slotBytes(length, halves);
  const slots = { first: 64, stride, count: 3 };
  const own = segments.create(64 + 3 * stride);
  assert.ok(own !== undefined);
  const [first, second] = [1, 2].map((seed) => ({
    name: bytesOf(seed, segmentNameBytes),
    mark: bytesOf(seed + 9, segmentMarkBytes),
    values: numbers(length, seed, 100),
  })) as [Sent, Sent];
  const put = (slot: number, stamp: number, { name, mark, values }: Sent) => {
    segments.write(own.buffer, 64 + slot * stride, stamp, headOf(name, mark), { values, halves });
  };
  put(0, 1, first);
  put(2, 2, second);
  const seen = segments.open(own.address);
  assert.ok(seen !== undefined);
  const read = (name: Uint8Array) => {
    const [mark, values] = [new Uint8Array(segmentMarkBytes), new Float32Array(length)];
    const place = segments.find(seen, slots, name, mark);
    if (place === undefined) return undefined;
    const lie = slotValues(seen, place.at, { count: length, halves });
    referenceKernels.fromBf16(values.subarray(0, halves), lie.halves);
    values.set(lie.rest, halves);
    return { mark, values, isStill: () => segments.holds(seen, place) };
  };
  return { own, put, read, first, second, seen };
}

interface Sent {
  name: Uint8Array;
  mark: Uint8Array;
  values: Float32Array;
}

for (const [title, segments] of [
  ['local', createLocalSegments()],
  ['native', native],
] as const) {
  describe(`${title} segments`, () => {
    before(function () {
      if (segments === undefined) skipWithoutAddon(this);
    });

    for (const halves of [0, 500, length]) {
      it(`carry messages of which ${String(halves)} values are rounded`, () => {
        const { own, put, read, first, second } = written(segments as Segments, halves);
        for (const { name, mark, values } of [first, second]) {
          const found = read(name);
          assert.deepEqual(found?.mark, mark);
          assert.deepEqual(found.values.subarray(halves), values.subarray(halves));
          const bits = new Uint32Array(found.values.buffer);
          assert.ok(bits.subarray(0, halves).every((value) => (value & 0xffff) === 0));
          for (let i = 0; i < halves; i++) {
            const [was = 0, is = 0] = [values[i], found.values[i]];
            assert.ok(Math.abs(was - is) <= Math.abs(was) * 2 ** -8);
          }
        }
        assert.equal(read(bytesOf(3, segmentNameBytes)), undefined, 'never written');
        const still = [first, second].map(({ name }) => read(name)?.isStill);
        put(0, 3, { ...second, name: bytesOf(4, segmentNameBytes) });
        assert.equal(read(first.name), undefined, 'overwritten');
        assert.deepEqual(
          still.map((isStill) => isStill?.()),
          [false, true],
        );
        own.close();
      });
    }

    it('are not found after their end', () => {
      const { own, read, second } = written(segments as Segments, 0);
      own.close();
      assert.equal((segments as Segments).open(own.address), undefined);
      assert.ok(read(second.name) !== undefined, 'who has it open keeps it');
      assert.equal((segments as Segments).open('elsewhere/proc/1/fd/1'), undefined);
    });
  });
}

describe('native segments', function () {
  before(function () {
    if (native === undefined) skipWithoutAddon(this);
  });

  it('hold what the plain loops write, bit by bit', () => {
    const seen = [native as Segments, createLocalSegments()].map((segments) => written(segments, 500).seen);
    const [ours, theirs] = seen.map((buffer) => Buffer.from(buffer.slice(64)));
    assert.ok(ours?.equals(theirs ?? Buffer.alloc(0)));
  });

  it('never show half of a message while it is written again', async function () {
    this.timeout(20_000);
    const writer = new Worker(new URL('./segments.fixture.js', import.meta.url));
    const address = await new Promise<string>((resolve) => writer.once('message', resolve));
    const reader = (native as Segments).open(address) as ArrayBuffer;
    const slots = { first: 64, stride: slotBytes(4_000, 0), count: 1 };
    const [name, mark] = [new Uint8Array(segmentNameBytes), new Uint8Array(segmentMarkBytes)];
    let [torn, distinct, last] = [0, 0, -1];
    const endMs = performance.now() + 15_000;
    while ((distinct < 200 || torn < 20) && performance.now() < endMs) {
      const place = (native as Segments).find(reader, slots, name, mark);
      const values = place && slotValues(reader, place.at, { count: 4_000, halves: 0 }).rest.slice();
      if (values === undefined || !(native as Segments).holds(reader, place as SlotPlace)) {
        torn++;
        continue;
      }
      const [found] = mark;
      assert.ok(values.every((value) => value === found));
      if (found !== last) distinct++;
      last = found ?? -1;
    }
    await writer.terminate();
    assert.ok(distinct >= 200 && torn >= 20, JSON.stringify({ distinct, torn }));
  });
});
