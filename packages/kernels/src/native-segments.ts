import { readFileSync, readlinkSync } from 'node:fs';
import { callAddon } from './native.js';
import type { Segments } from './segments.js';

/**
 * Shared memory over the addon; undefined without the addon. A segment is found through /proc, so only processes
 * find it that see its owner there: on this machine, under the same user, in the same container.
 */
export function nativeSegments(): Segments | undefined {
  const call = callAddon();
  const scene = call === undefined ? undefined : sceneOf();
  if (call === undefined || scene === undefined) return undefined;
  return {
    create(bytes) {
      const made = call('segmentCreate', bytes) as [ArrayBuffer, number] | undefined;
      if (made === undefined) return undefined;
      const [buffer, file] = made;
      const address = `${scene}/proc/${String(process.pid)}/fd/${String(file)}`;
      let open = true;
      return {
        buffer,
        address,
        close() {
          if (open) call('segmentClose', file);
          open = false;
        },
      };
    },
    open(address) {
      if (!address.startsWith(`${scene}/proc/`)) return undefined;
      return call('segmentOpen', address.slice(scene.length)) as ArrayBuffer | undefined;
    },
    write: (segment, at, stamp, head, { values, halves }) =>
      void call('segmentWrite', segment, at, stamp, head, values, halves, values.length),
    find(segment, { first, stride, count }, name, mark) {
      const found = call('segmentFind', segment, first, stride, count, name, mark);
      if (found === undefined) return undefined;
      const [at, stamp] = found as [number, number];
      return { at, stamp };
    },
    holds: (segment, { at, stamp }) => call('segmentHolds', segment, at, stamp) === true,
  };
}

/** What processes have in common that find one another in /proc: this start of this machine, and the container. */
function sceneOf(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const container = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '';
    return `${boot}.${container}`;
  } catch {
    return undefined;
  }
}
