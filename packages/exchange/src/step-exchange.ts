import { keys, type TensorPosition } from '@lvnet/redis';
import { createBucketSum, nodeName, type BucketSum } from './bucket-sum.js';
import type { Bucket } from './buckets.js';
import type { Memory } from './memory.js';
import { tensorKey, type TensorKey } from './tensor-keys.js';
import { createTraffic, type TrafficParts, type Way } from './tensor-traffic.js';
import { cover, pathTo, type Node } from './tree.js';
import { attemptOf, isBarred, isSkipped, ownerOf, type View } from './view.js';

export interface StepParts extends TrafficParts {
  shards: number;
  buckets: readonly Bucket[];
  memory: Memory<Float32Array>;
  /** Does another member read this one's memory? Without one: do all of the view, and nobody needs older sums? */
  isNear: (view: View, step: number, worker?: string) => boolean;
  /** Something came or went through: time for the next `advance`. */
  onProgress: () => void;
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

/** One bucket in one attempt, and what was heard and sent of it, by the names of nodes; 'sum' is the whole. */
interface Channel {
  position: TensorPosition;
  sums: BucketSum;
  heard: Set<string>;
  /** Routes: what to whom, and the way it went. */
  sent: Map<string, Way>;
  /** Somebody misses the sum: whoever has it writes it to the server, owner or not. */
  wanted: boolean;
  busy: Promise<void> | undefined;
  /** Something came since its last turn began: else another turn would find nothing to do. */
  news: boolean;
}

/** What holds for all buckets at one moment. */
interface Moment {
  view: View;
  /** Nodes that this member delivers. */
  nodes: readonly Node[];
  /** The way of the sums. */
  way: Way;
  lookAround: boolean;
}

const whole = 'sum';

/** @param sum where the sum belongs */
export function createStepExchange(
  parts: StepParts,
  step: number,
  weightsSha256: string,
  sum: Float32Array,
): StepExchange {
  const { run, worker, shards, wire, memory } = parts;
  const traffic = createTraffic(parts, step, weightsSha256);
  const leaves = new Map<number, Float32Array>();
  /** Announcements for an attempt that this member does not know of yet. */
  const early = new Map<string, TensorKey>();
  let position: TensorPosition = { life: 0, step, attempt: 0 };
  let channels: Channel[] = [];
  let retired: Channel[] = [];
  let failure: unknown;
  let closed = false;
  /** Under which circumstances the last turns began. */
  let circumstances = '';

  const open = (): Channel[] =>
    parts.buckets.map((bucket) => {
      const place = sum.subarray(bucket.start, bucket.end);
      const leafOf = (shard: number) => leaves.get(shard);
      const sums = createBucketSum({ bucket, shards, wire, memory, leafOf, place });
      const rest = { wanted: false, busy: undefined, news: true };
      return { position, sums, heard: new Set(), sent: new Map(), ...rest };
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
    else {
      const channel = channels[key.bucket];
      channel?.heard.add(key.node === undefined ? whole : nodeName(key.node));
      if (channel !== undefined) channel.news = true;
    }
  };
  const newsForAll = () => {
    for (const channel of channels) channel.news = true;
  };
  /** Another attempt has begun: the leaves are its, and so is the sum's place once this one is no longer busy. */
  const isPast = (channel: Channel): boolean => channel.position !== position;
  /** Under the attempt of the channel: its turns may outlive that. */
  const keyOf = ({ position, sums }: Channel, node?: Node): TensorKey => ({
    position,
    bucket: sums.bucket.index,
    node,
  });

  /** Was a value sent on a way, or on one that reaches more? */
  const isSent = ({ sent }: Channel, node: Node | undefined, to: string, way: Way): boolean => {
    const went = sent.get(routeOf(node, to));
    return went === 'server' || (went === 'memory' && way === 'memory');
  };
  /** Writes a value and tells of it, once for each route; what failed is sent again at the next turn. */
  const send = async (
    channel: Channel,
    node: Node | undefined,
    values: Float32Array,
    to: string,
    way: Way,
  ) => {
    const { sums, sent } = channel;
    const route = routeOf(node, to);
    sent.set(route, way);
    try {
      const went = await traffic.send(keyOf(channel, node), sums.bucket, values, to, way);
      if (sent.has(route)) sent.set(route, went);
    } catch (error) {
      sent.delete(route);
      throw error;
    }
  };
  /** In the memory of others, where a message on its way, or a lost one, tells of it too. */
  const findNode = (channel: Channel, node: Node): boolean => {
    const { sums } = channel;
    const found = traffic.find(keyOf(channel, node), sums.bucket);
    if (found !== undefined) sums.use(node, found);
    return found !== undefined;
  };
  const fetchNode = async (channel: Channel, node: Node): Promise<void> => {
    const { sums } = channel;
    if (sums.isKnown(node) || findNode(channel, node)) return;
    const values = sums.take();
    if (await traffic.fetch(keyOf(channel, node), sums.bucket, values)) sums.add(node, values);
    else sums.drop(values);
  };
  const placeOf = ({ bucket }: BucketSum) => sum.subarray(bucket.start, bucket.end);
  /** A former owner found it, or the present one. */
  const findSum = (channel: Channel): boolean => {
    const { sums } = channel;
    const found = traffic.find(keyOf(channel), sums.bucket);
    return found !== undefined && sums.copy(found);
  };
  const fetchSum = async (channel: Channel): Promise<void> => {
    const { sums } = channel;
    if (findSum(channel)) return;
    if (await traffic.fetch(keyOf(channel), sums.bucket, placeOf(sums))) sums.done();
  };

  /** Own leaves to the owner of a bucket: summed up where the tree allows, those of others one by one. */
  const deliver = async (channel: Channel, owner: string, { view, nodes }: Moment): Promise<void> => {
    const { sums, wanted } = channel;
    const to = keys.inbox(run, owner);
    const way = !wanted && parts.isNear(view, step, owner) ? 'memory' : 'server';
    const open = nodes.filter((node) => !isSent(channel, node, to, way));
    await Promise.all(
      open.map(async (node) => {
        const values = sums.valueOf(node);
        if (values !== undefined) await send(channel, node, values, to, way);
      }),
    );
  };
  const tell = async (channel: Channel, { way }: Moment): Promise<void> => {
    const to = keys.everyone(run);
    const needed = channel.wanted ? 'server' : way;
    if (isSent(channel, undefined, to, needed)) return;
    await send(channel, undefined, placeOf(channel.sums), to, needed);
    if (needed === 'server') channel.wanted = false;
  };
  /** The owner's part: gather what the others sent and add up. */
  const gather = async (channel: Channel, lookAround: boolean): Promise<void> => {
    const { sums, heard } = channel;
    const nodes = [...heard].filter((name) => name !== whole).map(parseNode);
    await Promise.all(nodes.map((node) => fetchNode(channel, node)));
    if (isPast(channel) || sums.finish() || !lookAround) return;
    if (findSum(channel)) return;
    for (const node of missingNodes(sums)) findNode(channel, node);
    if (sums.finish()) return;
    const wanted = [undefined, ...missingNodes(sums)];
    // As a rule nothing is there, since others still compute: one question for all of it.
    if (!(await traffic.isAnyOnServer(wanted.map((node) => keyOf(channel, node))))) return;
    if (!isPast(channel)) await fetchSum(channel);
    if (isPast(channel) || sums.isDone()) return;
    await Promise.all(missingNodes(sums).map((node) => fetchNode(channel, node)));
    if (!isPast(channel)) sums.finish();
  };
  /** Nodes that hold a missing leaf: others may have summed up as they liked. */
  const missingNodes = (sums: BucketSum): Node[] => {
    const nodes = new Map<string, Node>();
    for (const leaf of sums.missingLeaves()) {
      for (const node of pathTo(shards, leaf)) nodes.set(nodeName(node), node);
    }
    return [...nodes.values()];
  };
  const turn = async (channel: Channel, moment: Moment) => {
    const { sums, heard } = channel;
    const { view, lookAround } = moment;
    const owner = ownerOf(view, sums.bucket.index, step);
    const isOwner = owner === worker;
    if (!sums.isDone() && isOwner) await gather(channel, lookAround);
    if (!sums.isDone() && !isOwner) {
      const delivering = owner === undefined ? undefined : deliver(channel, owner, moment);
      const fetching = lookAround || heard.has(whole) ? fetchSum(channel) : undefined;
      await Promise.all([delivering, fetching]);
    }
    const isAudience = view.members.length > 1;
    if (!isPast(channel) && sums.isDone() && isAudience && (isOwner || channel.wanted))
      await tell(channel, moment);
  };
  /** The whole sum is there, and who needs it has been told of it. */
  const isSettled = (channel: Channel, view: View, way: Way): boolean => {
    const mustTell = view.members.length > 1 && ownerOf(view, channel.sums.bucket.index, step) === worker;
    const isTold = !mustTell || isSent(channel, undefined, keys.everyone(run), way);
    return channel.sums.isDone() && isTold && (!mustTell || channel.busy === undefined);
  };
  const wayOf = (view: View): Way => (parts.isNear(view, step) ? 'memory' : 'server');
  const readersIn = (view: View): string =>
    view.members.map((member) => (parts.isNear(view, step, member.worker) ? '1' : '0')).join('');
  const nodesOf = (own: ReadonlySet<number>): Node[] => [
    ...cover(shards, (shard) => own.has(shard)),
    ...[...leaves.keys()].filter((shard) => !own.has(shard)).map((shard) => ({ lo: shard, hi: shard + 1 })),
  ];

  const start = (channel: Channel, moment: Moment) => {
    const wasDone = channel.sums.isDone();
    channel.news = false;
    channel.busy = turn(channel, moment)
      .catch((error: unknown) => {
        failure ??= error;
        channel.news = true;
      })
      .finally(() => {
        channel.busy = undefined;
        if (channel.news || isPast(channel) || channel.sums.isDone() !== wasDone) parts.onProgress();
      });
  };

  const idle = async () => {
    const all = [...retired, ...channels];
    while (all.some(({ busy }) => busy !== undefined))
      await Promise.all(all.map(({ busy }) => busy ?? Promise.resolve()));
  };

  return {
    step,
    bytes: traffic.bytes,
    position: () => position,
    leaf(shard, values) {
      leaves.set(shard, values);
      newsForAll();
    },
    hasLeaf: (shard) => leaves.has(shard),
    announced(key, sender) {
      traffic.announced(key, sender);
      hear(key);
    },
    advance(view, own, lookAround) {
      const thrown = failure;
      failure = undefined;
      if (thrown !== undefined) throw thrown as Error;
      follow(view);
      // What is under way for a former attempt may still come into the sum's place: `onProgress` when it has.
      if (retired.some(({ busy }) => busy !== undefined)) return;
      const way = wayOf(view);
      const now = `${view.id} ${way} ${readersIn(view)} ${[...own].join()}`;
      if (now !== circumstances || lookAround) newsForAll();
      circumstances = now;
      const open = channels.filter(
        (channel) => channel.news && (channel.wanted || !isSettled(channel, view, way)),
      );
      if (open.length === 0) return;
      const moment = { view, nodes: nodesOf(own), way, lookAround };
      for (const channel of open) if (channel.busy === undefined) start(channel, moment);
    },
    isDone: (view) => {
      const way = wayOf(view);
      return channels.length > 0 && channels.every((channel) => isSettled(channel, view, way));
    },
    missing: () => channels.filter(({ sums }) => !sums.isDone()).map(({ sums }) => sums.bucket.index),
    idle,
    sendAgain(bucket) {
      for (const channel of channels) {
        if (bucket !== undefined && bucket !== channel.sums.bucket.index) continue;
        channel.sent.clear();
        channel.wanted = true;
        channel.news = true;
      }
    },
    async close() {
      closed = true;
      await idle();
      for (const { sums } of [...retired, ...channels]) sums.release();
      leaves.clear();
    },
    written: () => traffic.written(),
  };
}

const routeOf = (node: Node | undefined, to: string): string =>
  `${node === undefined ? whole : nodeName(node)}>${to}`;

function parseNode(name: string): Node {
  const [lo = 0, hi = 0] = name.split('-').map(Number);
  return { lo, hi };
}
