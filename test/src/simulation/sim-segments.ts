import { tensorKey } from '@lvnet/exchange/testing';
import { createLocalSegments, slotRestAt, type Segments } from '@lvnet/kernels';

export interface SegmentEvents {
  /** A message as the server would get it, under its key there. */
  onWrite: (key: string, value: Buffer) => void;
  onRead: () => void;
}

/** What the processes of each machine share: two large machines, and one where there is no such memory. */
export const createMachines = (events: SegmentEvents): (Segments | undefined)[] => {
  const [first, second] = [watched(createLocalSegments(), events), watched(createLocalSegments(), events)];
  return [first, first, first, second, undefined];
};

function watched(segments: Segments, events: SegmentEvents): Segments {
  return {
    ...segments,
    write(segment, at, stamp, head, message) {
      segments.write(segment, at, stamp, head, message);
      const { values, halves } = message;
      const rest = slotRestAt(halves);
      const pieces = [
        [at + 32, 32],
        [at + 64, halves * 2],
        [at + rest, (values.length - halves) * 4],
      ] as const;
      events.onWrite(
        keyOf(head),
        Buffer.concat(pieces.map(([from, count]) => Buffer.from(segment, from, count))),
      );
    },
    find(...parts) {
      const place = segments.find(...parts);
      if (place !== undefined) events.onRead();
      return place;
    },
  };
}

function keyOf(head: Uint8Array): string {
  const view = new DataView(head.buffer, head.byteOffset);
  const [life = 0, step = 0, attempt = 0, bucket = 0, lo = 0, hi = 0] = Array.from({ length: 6 }, (_, i) =>
    view.getUint32(i * 4, true),
  );
  const node = hi === 0 ? undefined : { lo, hi };
  return tensorKey('sim', { position: { life, step, attempt }, bucket, node });
}
