import type { Bucket } from './buckets.js';
import type { Memory } from './memory.js';
import type { Found } from './peer-memory.js';
import { additionsFor, isKnown, isLeaf, pathTo, type Node } from './tree.js';
import { addParts, partOf, type Part, type Wire } from './wire.js';

/** The sum of one bucket over all shards, put together from what this member computed and what others sent. */
export interface BucketSum {
  readonly bucket: Bucket;
  isDone(): boolean;
  /** The sum came into its place. */
  done(): void;
  /** Memory for a node that is being fetched; `add` or `drop` it. */
  take(): Float32Array;
  drop(values: Float32Array): void;
  /** A node's value has come. */
  add(node: Node, values: Float32Array): void;
  /** A node's value lies in another member's memory, and is used there. */
  use(node: Node, found: Found): void;
  /** The sum lies in another member's memory; false: not any more. */
  copy(found: Found): boolean;
  /** Is a node's value given, or can it be had from what is there? */
  isKnown(node: Node): boolean;
  /** A node's value from what is there, to be sent: not to be changed, valid until `release`. */
  valueOf(node: Node): Float32Array | undefined;
  /** Fills the place of the sum if all is there. */
  finish(): boolean;
  missingLeaves(): number[];
  /** Gives all memory back. */
  release(): void;
}

export const nodeName = ({ lo, hi }: Node): string => `${String(lo)}-${String(hi)}`;

export interface BucketParts {
  bucket: Bucket;
  shards: number;
  wire: Wire;
  memory: Memory<Float32Array>;
  /** A shard's whole vector, if this member has it. */
  leafOf: (shard: number) => Float32Array | undefined;
  /** Where the bucket's sum belongs. */
  place: Float32Array;
}

/** A node's value here, in memory of this member's, or in that of another one. */
type Held = { values: Float32Array } | { found: Found };

export function createBucketSum({ bucket, shards, wire, memory, leafOf, place }: BucketParts): BucketSum {
  const root = { lo: 0, hi: shards };
  const nodes = new Map<string, Held>();
  let isDone = false;
  const take = () => memory.take(bucket.end - bucket.start);
  const giveBack = (held: Held | undefined) => {
    if (held !== undefined && 'values' in held) memory.give(held.values);
  };
  const hold = (node: Node, held: Held) => {
    const name = nodeName(node);
    giveBack(nodes.get(name));
    nodes.set(name, held);
  };
  /** As it was computed: rounded where it is added or sent. */
  const leafValues = (node: Node) =>
    isLeaf(node) ? leafOf(node.lo)?.subarray(bucket.start, bucket.end) : undefined;
  const given = (node: Node): Held | undefined => {
    const held = nodes.get(nodeName(node));
    if (held !== undefined) return held;
    const values = leafValues(node);
    return values === undefined ? undefined : { values };
  };
  const partAt = (held: Held): Part => ('found' in held ? held.found : partOf(wire, bucket, held.values));
  /** Forgets what was overwritten; true where nothing was. */
  const allStill = (used: readonly Held[]): boolean => {
    const gone = new Set(used.filter((held) => 'found' in held && !held.found.isStill()));
    for (const [name, held] of nodes) if (gone.has(held)) nodes.delete(name);
    return gone.size === 0;
  };
  const fill = (into: Float32Array, node: Node): boolean => {
    const additions = additionsFor(node, given);
    if (additions === undefined) return false;
    const { sources, order } = additions;
    addParts({ sources: sources.map(partAt), order }, partOf(wire, bucket, into));
    return allStill(sources);
  };
  return {
    bucket,
    isDone: () => isDone,
    done: () => {
      isDone = true;
    },
    take,
    drop: memory.give,
    add(node, values) {
      hold(node, { values });
    },
    use(node, found) {
      hold(node, { found });
    },
    copy(found) {
      addParts({ sources: [found], order: [0] }, partOf(wire, bucket, place));
      isDone ||= found.isStill();
      return isDone;
    },
    isKnown: (node) => isKnown(node, given),
    valueOf(node) {
      const held = given(node);
      if (held !== undefined && 'values' in held) return held.values;
      if (!isKnown(node, given)) return undefined;
      const values = take();
      if (!fill(values, node)) {
        memory.give(values);
        return undefined;
      }
      hold(node, { values });
      return values;
    },
    finish() {
      isDone ||= fill(place, root);
      return isDone;
    },
    missingLeaves() {
      const leaves = Array.from({ length: shards }, (_, leaf) => leaf);
      return leaves.filter((leaf) => pathTo(shards, leaf).every((node) => given(node) === undefined));
    },
    release() {
      for (const held of nodes.values()) giveBack(held);
      nodes.clear();
    },
  };
}
