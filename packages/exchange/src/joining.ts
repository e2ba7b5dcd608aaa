import { keys } from '@lvnet/redis';
import { Failure } from '@lvnet/core';
import { cancelled, termsText, type Context } from './context.js';
import { giveBack } from './current-view.js';
import type { Replies } from './messages.js';
import { isGone, nextSuspects, type Suspects } from './evidence.js';
import { differencesOf, parseTerms, unsuitable } from './terms.js';
import { firstView, memberOf, type View } from './view.js';

/** A new view is told; this is for whoever founds, and finds out that all members died. */
const pollMs = 100;
/** No member had a lease for so long: they are dead, and not only away while the server came back. */
const abandonedMs = 6_500;

/** Stands by until there is a seat: invited by the members, or as founder of a new life. */
export async function join(context: Context): Promise<Replies['join']> {
  const { clock } = context;
  Object.assign(context, { seated: false, cancelled: false, view: undefined });
  context.progress = { step: 0, done: 0, startedMs: undefined, ready: false };
  const startMs = clock.monotonicMs();
  const waiting: Waiting = {
    startMs,
    aliveMs: startMs,
    suspects: new Map(),
    isTold: false,
    isAnnounced: false,
    suitsLife: undefined,
  };
  context.isJoining = true;
  try {
    for (;;) {
      if (context.cancelled) throw cancelled('The wait for a seat was given up.');
      const seat = await context.insist(() => attempt(context, waiting));
      if (seat !== undefined) return seat;
      await context.pause(pollMs);
    }
  } finally {
    context.isJoining = false;
  }
}

/** @throws Failure('WORKER_UNSUITABLE') where the members of a life have something else than this worker */
async function compare({ membership, options }: Context, life: number, waiting: Waiting): Promise<void> {
  if (waiting.suitsLife === life) return;
  const text = await membership.terms(life);
  const theirs = text === null ? undefined : parseTerms(text);
  if (theirs === undefined) return; // lost with a server: whoever comes back says it again
  const differences = differencesOf(parseTerms(termsText(options)) ?? {}, theirs);
  if (differences.length > 0) throw unsuitable(options.worker, differences);
  waiting.suitsLife = life;
}

function tellOfWaiting({ options, send }: Context, { members }: View, waiting: Waiting): void {
  const { shards, wantedMembers } = options;
  if (waiting.isTold || members.length < Math.min(wantedMembers, shards)) return;
  waiting.isTold = true;
  send({ kind: 'fact', fact: { kind: 'standsBy', members: members.length, shards } });
}

interface Waiting {
  startMs: number;
  /** When a member was last seen alive. */
  aliveMs: number;
  suspects: Suspects;
  /** It was told that this worker stands by. */
  isTold: boolean;
  /** The members can know that this worker stands by: a seat is meant for it, and not for a dead process of its name. */
  isAnnounced: boolean;
  /** The life whose members have all that this worker has; what they have alike stays. */
  suitsLife: number | undefined;
}

type Seat = Replies['join'];

async function attempt(context: Context, waiting: Waiting): Promise<Seat | undefined> {
  const { membership, options } = context;
  context.seated = false; // where the last attempt broke off, as when a full server refused its lease
  const found = await membership.read();
  const me = found === undefined ? undefined : memberOf(found, options.worker);
  if (found !== undefined && me !== undefined && !waiting.isAnnounced) {
    await giveBack(context, found, `${options.worker} came back as a new process`);
    return undefined;
  }
  const isHeld =
    found !== undefined &&
    me === undefined &&
    found.members.length > 0 &&
    !(await areAllDead(context, found, waiting));
  // Before it stands by: nobody shall invite a worker that does not suit.
  if (isHeld) await compare(context, found.life, waiting);
  if (!waiting.isAnnounced) await context.renew(); // the session goes on with it
  waiting.isAnnounced = true;
  if (found !== undefined && me !== undefined)
    return takeSeat(context, found, me.fromStep - 1, me.source, waiting);
  if (!isHeld) return foundLife(context, found, waiting);
  tellOfWaiting(context, found, waiting);
  return undefined;
}

/** Connections that ended are sure; a lease that ran out may come back with the server for a while. */
async function areAllDead({ clock, membership }: Context, view: View, waiting: Waiting): Promise<boolean> {
  const evidence = await membership.evidence(view.members.map((member) => member.worker));
  const nowMs = clock.monotonicMs();
  waiting.suspects = nextSuspects(waiting.suspects, evidence, nowMs);
  const unsure = [...evidence].filter(([worker, item]) => !isGone(item, waiting.suspects.get(worker), nowMs));
  if (unsure.some(([, { connection }]) => connection !== undefined)) waiting.aliveMs = nowMs;
  return unsure.length === 0 || nowMs - waiting.aliveMs > abandonedMs;
}

/** The first standby in order of name founds, once enough have come or have been waited for. */
async function foundLife(
  context: Context,
  before: View | undefined,
  waiting: Waiting,
): Promise<Seat | undefined> {
  const { clock, membership, options } = context;
  const standbys = await membership.standbys();
  if (standbys[0] !== options.worker) return undefined;
  const waitedMs = clock.monotonicMs() - waiting.startMs;
  const most = Math.min(options.wantedMembers, options.shards);
  const enough =
    standbys.length >= most || (standbys.length >= options.minMembers && waitedMs >= options.gatherMs);
  if (!enough) return undefined;
  // The run lived before, and its view is gone: members may be on their way back to a server that lost it.
  const isLost = before === undefined && context.hasLived;
  if (isLost && clock.monotonicMs() - waiting.aliveMs < abandonedMs) return undefined;
  const reply = await context.ask({ kind: 'found' });
  if (reply.kind !== 'founded') return undefined;
  const workers = (await membership.standbys()).slice(0, most); // the answer may have taken its time
  if (!workers.includes(options.worker)) return undefined;
  const next = firstView(before, reply.life, workers, reply.step, context.newId(), options.shards);
  const why = `life ${String(reply.life)} begins after step ${String(reply.step)} with ${workers.join(', ')}`;
  await membership.setTerms(reply.life, termsText(options));
  if (!(await context.change(before, next, 'founded', workers, why))) return undefined;
  return takeSeat(context, next, reply.step, 'checkpoint', waiting);
}

async function takeSeat(
  context: Context,
  view: View,
  step: number,
  source: 'checkpoint' | 'peer',
  waiting: Waiting,
): Promise<Seat | undefined> {
  const { options, link } = context;
  try {
    await compare(context, view.life, waiting);
  } catch (error) {
    if (error instanceof Failure) await giveBack(context, view, `${options.worker} does not suit`);
    throw error;
  }
  const state = source === 'peer' ? await link.command(['GET', keys.state(options.run, step)]) : null;
  if (source === 'peer' && !Buffer.isBuffer(state)) {
    // The state that this worker was invited with is gone: it stands by again.
    await giveBack(context, view, `the state for ${options.worker} is gone`);
    return undefined;
  }
  Object.assign(context, { seated: true, view, viewIsOld: false, hasLived: true, committed: step });
  context.progress = { step, done: 0, startedMs: undefined, ready: false };
  await context.renew();
  const bytes = Buffer.isBuffer(state) ? new Uint8Array(state) : null;
  return { life: view.life, step, source, state: bytes, view };
}
