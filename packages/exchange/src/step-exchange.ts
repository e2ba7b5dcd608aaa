import { Failure } from '@lvnet/core';
import { keys, type TensorPosition } from '@lvnet/redis';
import { createBucketSum, nodeName, type BucketSum } from './bucket-sum.js';
import type { Bucket } from './buckets.js';
import type { Link } from './link.js';
import { isOtherType } from './membership.js';
import type { Memory } from './memory.js';
import { tensorKey, type TensorKey } from './tensor-keys.js';
import { cover, pathTo, type Node } from './tree.js';
import { attemptOf, isBarred, isSkipped, ownerOf, type View } from './view.js';
import { encodePart, incoming, messageBytes, type Wire } from './wire.js';

export interface StepParts {
  link: Link;
  run: string;
  worker: string;
  shards: number;
  buckets: readonly Bucket[];
  wire: Wire;
  memory: Memory;
  /** Keys expire after so long, whatever happens. */
  expireSeconds: number;
  /** Something came or went through: time for the next `advance`. */
  onProgress: () => void;
  /** A key holds what no member wrote. */
  onStrange: (key: string, found: string) => void;
}

/**
 * One step's sum under whatever views it meets. Keys name (life, step, attempt, bucket, node) and always hold
 * the same bytes, so it does not matter who writes them, when, or how often.
 */
export interface StepExchange {
  readonly step: number;
  readonly bytes: { in: number; out: number };
  /** Life and attempt of which the sum is. */
  position(): TensorPosition;
  /** A shard's vector is there; it stays as it is until `close` resolves. */
  leaf(shard: number, values: Float32Array): void;
  hasLeaf(shard: number): boolean;
  /** A message said that a key is there. */
  announced(key: TensorKey, sender: string): void;
  /**
   * Starts sending what can be sent and fetching what can be fetched.
   *
   * @param own shards whose leaves this member delivers summed up where the tree allows
   * @param lookAround also looks for what nobody announced
   * @throws what went wrong since the last call: a Failure for good, anything else may be tried again
   */
  advance(view: View, own: ReadonlySet<number>, lookAround: boolean): void;
  /** The whole sum is there, and who owns a bucket has told of it. */
  isDone(view: View): boolean;
  /** Buckets whose sum is not there yet. */
  missing(): number[];
  /** Resolves once nothing is under way at the moment. */
  idle(): Promise<void>;
  /** Somebody misses a bucket (any of them without one), or the server may have lost it: send it again. */
  sendAgain(bucket?: number): void;
  /**
   * Ends the step: resolves once nothing is under way, so that leaves may change, and gives the memory back.
   * The sum must stay as long as it may be sent again.
   */
  close(): Promise<void>;
  /** Every key of this step that this member wrote. */
  written(): string[];
}

/** One bucket and what was heard and sent of it, by the names of nodes; 'sum' is the whole. */
interface Channel {
  sums: BucketSum;
  heard: Set<string>;
  /** Routes: what to whom. */
  sent: Set<string>;
  /** Somebody misses the sum: whoever has it writes it, owner or not. */
  wanted: boolean;
  busy: Promise<void> | undefined;
  /** Something came while it was busy. */
  again: boolean;
}

const whole = 'sum';

/** @param sum where the sum belongs */
export function createStepExchange(
  parts: StepParts,
  step: number,
  weightsSha256: string,
  sum: Float32Array,
): StepExchange {
  const { link, run, worker, shards, wire, memory } = parts;
  const bytes = { in: 0, out: 0 };
  const leaves = new Map<number, Float32Array>();
  const senders = new Map<string, string>();
  const written = new Set<string>();
  /** Announcements for an attempt that this member does not know of yet. */
  const early = new Map<string, TensorKey>();
  let position: TensorPosition = { life: 0, step, attempt: 0 };
  let channels: Channel[] = [];
  let retired: Channel[] = [];
  let failure: unknown;
  let closed = false;

  const open = (): Channel[] =>
    parts.buckets.map((bucket) => {
      const place = sum.subarray(bucket.start, bucket.end);
      const leafOf = (shard: number) => leaves.get(shard);
      const sums = createBucketSum({ bucket, shards, wire, memory, leafOf, place });
      return { sums, heard: new Set(), sent: new Set(), wanted: false, busy: undefined, again: false };
    });
  /** A retry changes all keys: only the leaves are kept, but for those that are to be computed anew. */
  const follow = (view: View) => {
    const attempt = attemptOf(view, step);
    if (closed) return; // a later retry is of a later step
    if (channels.length > 0 && position.life === view.life && position.attempt === attempt) return;
    position = { life: view.life, step, attempt };
    for (const shard of leaves.keys()) {
      if (isBarred(view, shard, step, worker) || isSkipped(view, shard, step)) leaves.delete(shard);
    }
    retired = [...retired, ...channels];
    channels = open();
    const known = [...early.values()];
    early.clear();
    for (const key of known) hear(key);
  };
  const hear = (key: TensorKey) => {
    const isNow = key.position.life === position.life && key.position.attempt === position.attempt;
    if (!isNow || channels.length === 0) early.set(tensorKey(run, key), key);
    else channels[key.bucket]?.heard.add(key.node === undefined ? whole : nodeName(key.node));
  };
  const keyOf = (bucket: Bucket, node?: Node) => tensorKey(run, { position, bucket: bucket.index, node });

  /** Writes a value and tells of it, once for each route; what failed is sent again at the next turn. */
  const send = async (channel: Channel, node: Node | undefined, values: Float32Array, to: string) => {
    const { sums, sent } = channel;
    const route = routeOf(node, to);
    sent.add(route);
    const key = keyOf(sums.bucket, node);
    written.add(key);
    const pieces = encodePart(wire, sums.bucket, values, weightsSha256);
    try {
      await Promise.all([
        link.command(['SET', key, pieces, 'EX', parts.expireSeconds]),
        link.command(['PUBLISH', to, `${key} ${worker}`]),
      ]);
      bytes.out += messageBytes(pieces);
    } catch (error) {
      sent.delete(route);
      throw error;
    }
  };
  const fetch = async (
    { bucket }: BucketSum,
    node: Node | undefined,
    into: Float32Array,
  ): Promise<boolean> => {
    const message = incoming(wire, bucket, into);
    const key = keyOf(bucket, node);
    const reply = await link.command(['GET', key], message.sink).catch((error: unknown) => {
      if (!isOtherType(error)) throw error;
      parts.onStrange(key, error.message);
      return null;
    });
    if (reply === null) return false;
    if (!message.arrived()) {
      const length = Buffer.isBuffer(reply) ? reply.length : 0;
      parts.onStrange(key, `${String(length)} bytes instead of ${String(message.bytes)}`);
      return false;
    }
    if (message.weightsSha256() !== weightsSha256) throw differs(key, step, senders.get(key));
    message.settle();
    bytes.in += message.bytes;
    return true;
  };
  const fetchNode = async (sums: BucketSum, node: Node): Promise<void> => {
    if (sums.isKnown(node)) return;
    const values = sums.take();
    if (await fetch(sums, node, values)) sums.add(node, values);
    else sums.drop(values);
  };
  const fetchSum = async (sums: BucketSum): Promise<void> => {
    if (await fetch(sums, undefined, sum.subarray(sums.bucket.start, sums.bucket.end))) sums.done();
  };

  /** Own leaves to the owner of a bucket: summed up where the tree allows, those of others one by one. */
  const deliver = async (channel: Channel, owner: string, own: ReadonlySet<number>): Promise<void> => {
    const { sums, sent } = channel;
    const foreign = [...leaves.keys()].filter((shard) => !own.has(shard));
    const nodes = [
      ...cover(shards, (shard) => own.has(shard)),
      ...foreign.map((shard) => ({ lo: shard, hi: shard + 1 })),
    ];
    const to = keys.inbox(run, owner);
    const open = nodes.filter((node) => !sent.has(routeOf(node, to)));
    await Promise.all(
      open.map(async (node) => {
        const values = sums.valueOf(node);
        if (values !== undefined) await send(channel, node, values, to);
      }),
    );
  };
  const tell = async (channel: Channel): Promise<void> => {
    const to = keys.everyone(run);
    if (channel.sent.has(routeOf(undefined, to))) return;
    const { start, end } = channel.sums.bucket;
    await send(channel, undefined, sum.subarray(start, end), to);
    channel.wanted = false;
  };
  /** The owner's part: gather what the others sent and add up. */
  const gather = async ({ sums, heard }: Channel, lookAround: boolean): Promise<void> => {
    const nodes = [...heard].filter((name) => name !== whole).map(parseNode);
    await Promise.all(nodes.map((node) => fetchNode(sums, node)));
    if (sums.finish() || !lookAround) return;
    await fetchSum(sums); // a former owner may have found it
    if (sums.isDone()) return;
    await Promise.all((await findNodes(sums)).map((node) => fetchNode(sums, node)));
    sums.finish();
  };
  /** Nodes on the server that hold a missing leaf: others may have summed up as they liked. */
  const findNodes = async (sums: BucketSum): Promise<Node[]> => {
    const nodes = new Map<string, Node>();
    for (const leaf of sums.missingLeaves()) {
      for (const node of pathTo(shards, leaf)) nodes.set(nodeName(node), node);
    }
    const list = [...nodes.values()];
    const replies = await Promise.all(list.map((node) => link.command(['EXISTS', keyOf(sums.bucket, node)])));
    return list.filter((_, i) => replies[i] === 1);
  };
  const turn = async (channel: Channel, view: View, own: ReadonlySet<number>, lookAround: boolean) => {
    const { sums, heard } = channel;
    const owner = ownerOf(view, sums.bucket.index, step);
    const isOwner = owner === worker;
    if (!sums.isDone() && isOwner) await gather(channel, lookAround);
    if (!sums.isDone() && !isOwner) {
      const delivering = owner === undefined ? undefined : deliver(channel, owner, own);
      const fetching = lookAround || heard.has(whole) ? fetchSum(sums) : undefined;
      await Promise.all([delivering, fetching]);
    }
    const isAudience = view.members.length > 1;
    if (sums.isDone() && isAudience && (isOwner || channel.wanted)) await tell(channel);
  };

  const start = (channel: Channel, view: View, own: ReadonlySet<number>, lookAround: boolean) => {
    const wasDone = channel.sums.isDone();
    channel.again = false;
    channel.busy = turn(channel, view, own, lookAround)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        channel.busy = undefined;
        const news = failure !== undefined || channel.again || channel.sums.isDone() !== wasDone;
        if (news) parts.onProgress();
      });
  };

  const idle = async () => {
    const all = [...retired, ...channels];
    while (all.some(({ busy }) => busy !== undefined))
      await Promise.all(all.map(({ busy }) => busy ?? Promise.resolve()));
  };

  return {
    step,
    bytes,
    position: () => position,
    leaf: (shard, values) => void leaves.set(shard, values),
    hasLeaf: (shard) => leaves.has(shard),
    announced(key, sender) {
      senders.set(tensorKey(run, key), sender);
      hear(key);
    },
    advance(view, own, lookAround) {
      const thrown = failure;
      failure = undefined;
      if (thrown !== undefined) throw thrown as Error;
      follow(view);
      for (const channel of channels) {
        if (channel.busy === undefined) start(channel, view, own, lookAround);
        else channel.again = true;
      }
    },
    isDone: (view) =>
      channels.length > 0 &&
      channels.every(({ sums, sent, busy }) => {
        const mustTell = view.members.length > 1 && ownerOf(view, sums.bucket.index, step) === worker;
        return (
          sums.isDone() &&
          (!mustTell || (busy === undefined && sent.has(routeOf(undefined, keys.everyone(run)))))
        );
      }),
    missing: () => channels.filter(({ sums }) => !sums.isDone()).map(({ sums }) => sums.bucket.index),
    idle,
    sendAgain(bucket) {
      for (const channel of channels) {
        if (bucket !== undefined && bucket !== channel.sums.bucket.index) continue;
        channel.sent.clear();
        channel.wanted = true;
      }
    },
    async close() {
      closed = true;
      await idle();
      for (const { sums } of [...retired, ...channels]) sums.release();
      leaves.clear();
    },
    written: () => [...written],
  };
}

const routeOf = (node: Node | undefined, to: string): string =>
  `${node === undefined ? whole : nodeName(node)}>${to}`;

function parseNode(name: string): Node {
  const [lo = 0, hi = 0] = name.split('-').map(Number);
  return { lo, hi };
}

function differs(key: string, step: number, sender: string | undefined): Failure {
  return new Failure(
    'EXCHANGE_MISMATCH',
    { key, step, sender: sender ?? null },
    {
      message: `Step ${String(step)}: ${sender ?? 'a member'} holds other weights than this worker (key ${key}).`,
      hint: 'Replay the steps from the last checkpoint to see which machine computes wrongly.',
    },
  );
}
