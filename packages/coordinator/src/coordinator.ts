import { asFailure, type Clock } from '@lvnet/core';
import type { ClusterRequest, Leadership, Producer, Registry, StoredRequest } from '@lvnet/queue';
import type { writeSweepReport } from '@lvnet/reports';
import type { Store } from '@lvnet/store';
import type { Logger } from '@lvnet/telemetry';
import { emptyCluster, isOver, noFacts, type ClusterEvent, type ClusterState } from './cluster-state.js';
import { createExecutor, type Executor } from './execute.js';
import { createObserver, type Observer } from './observe.js';
import { rediscover } from './rediscover.js';
import { createLead, lostLead, type Lead } from './lead.js';
import { advance } from './reducer.js';

export interface CoordinatorParts {
  store: Store;
  registry: Registry;
  producer: Producer;
  writeSweepReport: typeof writeSweepReport;
  leadership: Leadership;
  clock: Clock;
  logger: Logger;
  turnMs: number;
  /** Sees the state after every turn; undefined while another coordinator leads. */
  onTurn: (state: ClusterState | undefined) => Promise<void>;
  /** Sees each request once it is acted upon. */
  onRequest: (request: ClusterRequest) => void;
}

interface Reign {
  fence: number;
  state: ClusterState;
  executor: Executor;
  observer: Observer;
  discoveredMs: number;
}

/** What all turns of this process share. */
interface Loop extends CoordinatorParts {
  lead: Lead;
  /** Numbers the events that this process records: it may lead twice under the same fencing number. */
  nextEvent: () => number;
}

const rediscoverEveryMs = 10_000;

/**
 * The reconcile loop: hold the lead, look, decide (pure), act. A turn that fails is logged and tried
 * again; nothing is lost, because every turn starts from what the store and the registry show.
 */
export async function runCoordinator(parts: CoordinatorParts, signal: AbortSignal): Promise<void> {
  const lead = createLead(parts.leadership, parts.clock, {
    everyMs: parts.turnMs,
    onFailed: (error) => {
      parts.logger.warn('control Redis does not answer; trying again', { error });
    },
  });
  let eventCount = 0;
  const loop: Loop = { ...parts, lead, nextEvent: () => eventCount++ };
  await Promise.all([lead.keep(signal), takeTurns(loop, signal)]);
}

async function takeTurns(loop: Loop, signal: AbortSignal): Promise<void> {
  let reign: Reign | undefined;
  while (!signal.aborted) {
    try {
      reign = await takeTurn(loop, reign);
      await loop.onTurn(reign?.state);
      await loop.clock.sleep(loop.turnMs, signal);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === 'CANCELLED') break;
      reign = undefined; // what this turn decided may not have reached the store: look again
      loop.logger.warn(`coordinator turn failed: ${failure.message}`, { code: failure.code, error });
      await loop.clock.sleep(1_000, signal).catch(() => undefined);
    }
  }
}

async function takeTurn(loop: Loop, before: Reign | undefined): Promise<Reign | undefined> {
  const fence = loop.lead.fence();
  if (fence === undefined) return undefined;
  const reign = before?.fence === fence ? before : beginReign(loop, fence);
  const { requests, malformed } = await loop.registry.pendingRequests();
  for (const token of malformed) await setAside(loop, token);
  await look(loop, reign, requests);
  for (const { token, request } of requests) {
    await handle(loop, reign, { kind: 'requested', request });
    await loop.registry.settle(token);
    loop.onRequest(request);
  }
  await handle(loop, reign, { kind: 'tick' });
  return reign;
}

/** Whoever wrote it was no lvnet, or one of another version: it is told once, and the turn goes on. */
async function setAside({ registry, logger }: Loop, token: string): Promise<void> {
  await registry.setAside(token);
  const start = token.length > 200 ? `${token.slice(0, 200)}...` : token;
  logger.warn('what is no request was set aside', { found: start, from: 'lvnet:requests' });
}

function beginReign(loop: Loop, fence: number): Reign {
  loop.logger.info('leading', { fence });
  return {
    fence,
    state: emptyCluster,
    executor: createExecutor(loop, { fence, nextEvent: loop.nextEvent }),
    observer: createObserver(loop.store),
    discoveredMs: Number.NEGATIVE_INFINITY,
  };
}

/**
 * Takes in everything new that the store and the registry show. Runs that were found just now are looked
 * at, too: nothing may be decided about a run whose facts are not known.
 */
async function look(loop: Loop, reign: Reign, requests: readonly StoredRequest[]): Promise<void> {
  const nowMs = loop.clock.monotonicMs();
  const isNews = requests.some(({ request }) => isUnknown(reign.state, request));
  if (isNews || nowMs - reign.discoveredMs > rediscoverEveryMs) {
    for (const event of await rediscover(loop.store, reign.state)) await handle(loop, reign, event);
    reign.discoveredMs = nowMs;
  }
  await handle(loop, reign, { kind: 'workersSeen', workers: await loop.registry.workers() });
  for (const run of reign.state.runs.values()) {
    if (isOver(run.state) && run.facts !== noFacts) continue;
    const facts = await reign.observer.facts(run);
    await handle(loop, reign, { kind: 'runObserved', run: run.document.run, facts });
  }
}

const isUnknown = (state: ClusterState, request: ClusterRequest): boolean =>
  request.kind === 'submittedSweep' ? !state.sweeps.has(request.sweep) : !state.runs.has(request.run);

async function handle(loop: Loop, reign: Reign, event: ClusterEvent): Promise<void> {
  const { state, commands } = advance(reign.state, event);
  reign.state = state;
  for (const command of commands) {
    if (loop.lead.fence() !== reign.fence) throw lostLead();
    const found = await reign.executor.execute(command, reign.state);
    for (const event of found) reign.state = advance(reign.state, event).state;
  }
}
