import { asFailure, type Clock } from '@lvnet/core';
import type { ClusterRequest, Leadership, Producer, Registry, StoredRequest } from '@lvnet/queue';
import type { Store } from '@lvnet/store';
import type { Logger } from '@lvnet/telemetry';
import {
  emptyCluster,
  isOver,
  noFacts,
  type ClusterEvent,
  type ClusterState,
  type Command,
} from './cluster-state.js';
import { createExecutor, type Executor } from './execute.js';
import { createObserver, type Observer } from './observe.js';
import { rediscover } from './rediscover.js';
import { advance } from './reducer.js';

export interface CoordinatorParts {
  store: Store;
  registry: Registry;
  producer: Producer;
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
      parts.logger.warn(`coordinator turn failed: ${failure.message}`, { code: failure.code, error });
      await parts.clock.sleep(1_000, signal).catch(() => undefined);
    }
  }
}

async function takeTurn(parts: CoordinatorParts, before: Reign | undefined): Promise<Reign | undefined> {
  const fence = await parts.leadership.hold();
  if (fence === undefined) return undefined;
  const reign = before?.fence === fence ? before : beginReign(parts, fence);
  const { events, requests } = await look(parts, reign);
  for (const event of events) {
    const outcome = advance(reign.state, event);
    reign.state = outcome.state;
    await act(reign, outcome.commands);
  }
  for (const { token, request } of requests) {
    await parts.registry.settle(token);
    parts.onRequest(request);
  }
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

/** Everything new, as events in the order in which they make sense; the tick comes last. */
async function look(
  parts: CoordinatorParts,
  reign: Reign,
): Promise<{ events: ClusterEvent[]; requests: StoredRequest[] }> {
  const requests = await parts.registry.pendingRequests();
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
  events.push(...requests.map(({ request }) => ({ kind: 'requested', request }) as const));
  events.push({ kind: 'tick' });
  return { events, requests };
}

async function act(reign: Reign, commands: readonly Command[]): Promise<void> {
  for (const command of commands) {
    const found = await reign.executor.execute(command, reign.state);
    for (const event of found) reign.state = advance(reign.state, event).state;
  }
}
