import { Failure } from '@lvnet/core';
import { keys, type TensorPosition } from '@lvnet/redis';
import type { Bucket } from './buckets.js';
import type { Link } from './link.js';
import { cover, sumNode, type Node } from './tree.js';
import { ownerOf, rangeOf, type View } from './view.js';
import { addInto, decodePart, encodePart, roundPart, type Wire } from './wire.js';

const valueSeconds = 600;

export interface StepParts {
  link: Link;
  run: string;
  worker: string;
  shards: number;
  buckets: readonly Bucket[];
  wire: Wire;
}

/**
 * One step's sum under whatever views it meets. Keys name (life, step, attempt, node, bucket) and always
 * hold the same bytes, so it does not matter who writes them, when, or how often.
 */
export interface StepExchange {
  readonly step: number;
  readonly bytes: { in: number; out: number };
  /** A shard's vector is there. */
  leaf(shard: number, values: Float32Array): void;
  missingLeaves(view: View): number[];
  /** A message said that a key is there. */
  announced(key: string): void;
  /** Sends what can be sent, fetches what can be fetched. `lookAround`: also what nobody announced. */
  advance(view: View, lookAround: boolean): Promise<void>;
  isDone(): boolean;
  /** After the server lost its data: send everything again. */
  forgetSent(): void;
  /** Every key of this step that this member wrote. */
  written(): string[];
}

export function createStepExchange(
  parts: StepParts,
  step: number,
  weightsSha256: string,
  sum: Float32Array,
): StepExchange {
  const { link, run, worker, shards, buckets, wire } = parts;
  const leaves = new Map<number, Float32Array>();
  const values = new Map<string, Float32Array>(); // own node sums and fetched partials, by key
  const sent = new Set<string>();
  const writtenKeys = new Set<string>();
  const done = new Set<number>();
  const heard = new Set<string>();
  const bytes = { in: 0, out: 0 };

  const at = (view: View): TensorPosition => ({ life: view.life, step, attempt: view.attempt });
  const keyOf = (view: View, bucket: Bucket, { lo, hi }: Node) =>
    keys.partial(run, at(view), bucket.index, lo, hi);
  const sums = (bucket: Bucket) => ({
    add: addInto,
    round: (part: Float32Array) => {
      roundPart(wire, bucket, part);
    },
  });
  const leafPart = (bucket: Bucket, shard: number): Float32Array | undefined => {
    const part = leaves.get(shard)?.subarray(bucket.start, bucket.end);
    if (part === undefined || wire.format === 'float32') return part;
    const rounded = part.slice();
    roundPart(wire, bucket, rounded);
    return rounded;
  };
  /** What is known of a node: fetched, summed before, or a leaf of one's own. */
  const known = (view: View, bucket: Bucket) => (node: Node) =>
    values.get(keyOf(view, bucket, node)) ??
    (node.hi - node.lo === 1 ? leafPart(bucket, node.lo) : undefined);

  const put = async (key: string, bucket: Bucket, part: Float32Array): Promise<void> => {
    const message = encodePart(wire, bucket, part, weightsSha256);
    writtenKeys.add(key);
    bytes.out += message.byteLength;
    await link.command('SET', key, message, 'EX', valueSeconds);
  };
  const get = async (key: string, bucket: Bucket): Promise<Float32Array | undefined> => {
    const reply = await link.command('GET', key);
    if (!Buffer.isBuffer(reply)) return undefined;
    bytes.in += reply.byteLength;
    const part = decodePart(wire, bucket, reply);
    if (part?.weightsSha256 !== weightsSha256) throw differs(key, step);
    return part.values;
  };

  /** Own subtrees to the owners of the buckets. */
  const sendPartials = async (view: View): Promise<void> => {
    const range = rangeOf(view, worker, shards);
    if (range === undefined) return;
    const sending: Promise<unknown>[] = [];
    for (const node of cover(shards, range.lo, range.hi)) {
      for (const bucket of buckets) {
        const owner = ownerOf(view, bucket.index);
        const key = keyOf(view, bucket, node);
        const route = `${key}>${owner ?? ''}`;
        if (owner === undefined || owner === worker || sent.has(route) || done.has(bucket.index)) continue;
        const part = sumNode(node, known(view, bucket), sums(bucket));
        if (part === undefined) break; // leaves of this node are still being computed
        values.set(key, part);
        sent.add(route);
        sending.push(put(key, bucket, part), link.command('PUBLISH', keys.inbox(run, owner), key));
      }
    }
    await Promise.all(sending);
  };
  /** Nodes that the owner of a bucket needs from the others. */
  const foreignNodes = (view: View): Node[] =>
    view.members.flatMap((member) => {
      if (member.worker === worker) return [];
      const range = rangeOf(view, member.worker, shards);
      return range === undefined ? [] : cover(shards, range.lo, range.hi);
    });
  const fetchPartials = async (view: View, bucket: Bucket, lookAround: boolean): Promise<void> => {
    const wanted = foreignNodes(view)
      .map((node) => keyOf(view, bucket, node))
      .filter((key) => !values.has(key) && (lookAround || heard.has(key)));
    await Promise.all(
      wanted.map(async (key) => {
        const part = await get(key, bucket);
        if (part !== undefined) values.set(key, part);
      }),
    );
  };
  const settle = (bucket: Bucket, part: Float32Array) => {
    sum.set(part, bucket.start);
    done.add(bucket.index);
  };
  const finishOwn = async (view: View, bucket: Bucket, lookAround: boolean): Promise<void> => {
    await fetchPartials(view, bucket, lookAround);
    const total = sumNode({ lo: 0, hi: shards }, known(view, bucket), sums(bucket));
    if (total === undefined) return;
    settle(bucket, total);
    if (view.members.length === 1) return; // nobody to tell
    const key = keys.reduced(run, at(view), bucket.index);
    await put(key, bucket, total);
    await link.command('PUBLISH', keys.everyone(run), key);
  };
  const fetchReduced = async (view: View, bucket: Bucket, lookAround: boolean): Promise<void> => {
    const key = keys.reduced(run, at(view), bucket.index);
    if (!lookAround && !heard.has(key)) return;
    const part = await get(key, bucket);
    if (part !== undefined) settle(bucket, part);
  };
  return {
    step,
    bytes,
    leaf: (shard, vector) => void leaves.set(shard, vector),
    missingLeaves(view) {
      const range = rangeOf(view, worker, shards) ?? { lo: 0, hi: 0 };
      const own = Array.from({ length: range.hi - range.lo }, (_, i) => range.lo + i);
      return own.filter((shard) => !leaves.has(shard));
    },
    announced: (key) => void heard.add(key),
    async advance(view, lookAround) {
      await sendPartials(view);
      const open = buckets.filter((bucket) => !done.has(bucket.index));
      await Promise.all(
        open.map((bucket) =>
          ownerOf(view, bucket.index) === worker
            ? finishOwn(view, bucket, lookAround)
            : fetchReduced(view, bucket, lookAround),
        ),
      );
      if (!lookAround) return;
      // A former owner may have finished a bucket that is ours now.
      const own = open.filter((bucket) => !done.has(bucket.index) && ownerOf(view, bucket.index) === worker);
      await Promise.all(own.map((bucket) => fetchReduced(view, bucket, true)));
    },
    isDone: () => done.size === buckets.length,
    forgetSent: () => {
      sent.clear();
    },
    written: () => [...writtenKeys],
  };
}

function differs(key: string, step: number): Failure {
  return new Failure(
    'EXCHANGE_MISMATCH',
    { key, step },
    {
      message: `Step ${String(step)}: members hold different weights (seen in ${key}).`,
      hint: 'Replay the steps from the last checkpoint to see which machine computes wrongly.',
    },
  );
}
