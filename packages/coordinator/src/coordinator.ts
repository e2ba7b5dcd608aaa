import { asFailure, type Clock } from '@lvnet/core';
import type { ClusterRequest, Leadership, Producer, Registry, StoredRequest } from '@lvnet/queue';
import type { writeSweepReport } from '@lvnet/reports';
import type { Store } from '@lvnet/store';
import type { Logger } from '@lvnet/telemetry';
import { emptyCluster, isOver, noFacts, type ClusterEvent, type ClusterState } from './cluster-state.js';
import { createExecutor, type Executor } from './execute.js';
import { createObserver, type Observer } from './observe.js';
import { rediscover } from './rediscover.js';
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

const rediscoverEveryMs = 10_000;

/**
 * The reconcile loop: hold the lead, look, decide (pure), act. A turn that fails is logged and tried
 * again; nothing is lost, because every turn starts from what the store and the registry show.
 */
export async function runCoordinator(parts: CoordinatorParts, signal: AbortSignal): Promise<void> {
  let reign: Reign | undefined;
  while (!signal.aborted) {
    try {
      reign = await takeTurn(parts, reign);
      await parts.onTurn(reign?.state);
      await parts.clock.sleep(parts.turnMs, signal);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === 'CANCELLED') break;
      reign = undefined; // what this turn decided may not have reached the store: look again
      parts.logger.warn(`coordinator turn failed: ${failure.message}`, { code: failure.code, error });
      await parts.clock.sleep(1_000, signal).catch(() => undefined);
    }
  }
}

async function takeTurn(parts: CoordinatorParts, before: Reign | undefined): Promise<Reign | undefined> {
  const fence = await parts.leadership.hold();
  if (fence === undefined) return undefined;
  const reign = before?.fence === fence ? before : beginReign(parts, fence);
  const requests = await parts.registry.pendingRequests();
  for (const event of await look(parts, reign, requests)) await handle(reign, event);
  for (const { token, request } of requests) {
    await handle(reign, { kind: 'requested', request });
    await parts.registry.settle(token);
    parts.onRequest(request);
  }
  await handle(reign, { kind: 'tick' });
  return reign;
}

function beginReign(parts: CoordinatorParts, fence: number): Reign {
  const startedMs = parts.clock.now();
  parts.logger.info('leading', { fence });
  return {
    fence,
    state: emptyCluster,
    executor: createExecutor(parts, { fence, startedMs }),
    observer: createObserver(parts.store),
    discoveredMs: Number.NEGATIVE_INFINITY,
  };
}

/** Everything new that the store and the registry show, as events in the order in which they make sense. */
async function look(
  parts: CoordinatorParts,
  reign: Reign,
  requests: readonly StoredRequest[],
): Promise<ClusterEvent[]> {
  const events: ClusterEvent[] = [];
  const nowMs = parts.clock.monotonicMs();
  const submitted = requests.some(({ request }) => request.kind.startsWith('submitted'));
  if (submitted || nowMs - reign.discoveredMs > rediscoverEveryMs) {
    events.push(...(await rediscover(parts.store, reign.state)));
    reign.discoveredMs = nowMs;
  }
  events.push({ kind: 'workersSeen', workers: await parts.registry.workers() });
  for (const run of reign.state.runs.values()) {
    if (isOver(run.state) && run.facts !== noFacts) continue;
    events.push({ kind: 'runObserved', run: run.document.run, facts: await reign.observer.facts(run) });
  }
  return events;
}

async function handle(reign: Reign, event: ClusterEvent): Promise<void> {
  const { state, commands } = advance(reign.state, event);
  reign.state = state;
  for (const command of commands) {
    const found = await reign.executor.execute(command, reign.state);
    for (const event of found) reign.state = advance(reign.state, event).state;
  }
}
