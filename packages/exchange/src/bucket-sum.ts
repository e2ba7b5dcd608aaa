import type { Bucket } from './buckets.js';
import type { Memory } from './memory.js';
import { isKnown, isLeaf, pathTo, sumInto, type Node } from './tree.js';
import { wireSums, type Wire } from './wire.js';

/** The sum of one bucket over all shards, put together from what this member computed and what others sent. */
export interface BucketSum {
  readonly bucket: Bucket;
  isDone(): boolean;
  /** The sum lies in its place: fetched, or found here. */
  done(): void;
  /** Memory for a node that is being fetched; `add` or `drop` it. */
  take(): Float32Array;
  drop(values: Float32Array): void;
  /** A node's value has come. */
  add(node: Node, values: Float32Array): void;
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

export function createBucketSum({ bucket, shards, wire, memory, leafOf, place }: BucketParts): BucketSum {
  const root = { lo: 0, hi: shards };
  const nodes = new Map<string, Float32Array>();
  let isDone = false;
  const take = () => memory.take(bucket.end - bucket.start);
  const keep = (node: Node, values: Float32Array) => {
    const name = nodeName(node);
    const before = nodes.get(name);
    if (before !== undefined) memory.give(before);
    nodes.set(name, values);
    return values;
  };
  /** An own leaf's part, as it was computed: rounded where it is added or sent. */
  const leafPart = (shard: number) => leafOf(shard)?.subarray(bucket.start, bucket.end);
  const given = (node: Node) => nodes.get(nodeName(node)) ?? (isLeaf(node) ? leafPart(node.lo) : undefined);
  const sums = { ...wireSums(wire, bucket), take, give: memory.give };
  return {
    bucket,
    isDone: () => isDone,
    done: () => {
      isDone = true;
    },
    take,
    drop: memory.give,
    add: (node, values) => void keep(node, values),
    isKnown: (node) => isKnown(node, given),
    valueOf(node) {
      const known = given(node);
      if (known !== undefined || !isKnown(node, given)) return known;
      const values = take();
      sumInto(values, node, given, sums);
      return keep(node, values);
    },
    finish() {
      if (!isKnown(root, given)) return false;
      sumInto(place, root, given, sums);
      isDone = true;
      return true;
    },
    missingLeaves() {
      const leaves = Array.from({ length: shards }, (_, leaf) => leaf);
      return leaves.filter((leaf) => pathTo(shards, leaf).every((node) => given(node) === undefined));
    },
    release() {
      for (const values of nodes.values()) memory.give(values);
      nodes.clear();
    },
  };
}
