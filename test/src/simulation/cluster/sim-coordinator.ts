import { runCoordinator } from '@lvnet/coordinator/testing';
import { leadershipOver, registryOver } from '@lvnet/queue/testing';
import type { Store } from '@lvnet/store';
import type { Logger } from '@lvnet/telemetry';
import type { SimProcess } from '../world.js';
import { controlRedisOver, producerOver, type ControlConnection } from './control-client.js';
import type { ControlServer } from './control-server.js';

export interface SimCoordinator {
  process: SimProcess;
  identity: string;
  leads(): boolean;
  /** SIGTERM: gives the lead back and goes. */
  quit(): void;
}

export interface SimCoordinatorParts {
  process: SimProcess;
  identity: string;
  /** How far its clock is off. */
  skewMs: number;
  server: ControlServer;
  connect: (o?: { failsAtOnce: boolean }) => ControlConnection;
  store: Store;
  tell: (text: () => string) => void;
}

export const leadMs = 3_000;
const turnMs = 400;

/** The real coordinator's loop, reducer and executor on simulated Redis, store and time. */
export function startCoordinator(parts: SimCoordinatorParts): SimCoordinator {
  const { process, identity, server, connect, store, skewMs } = parts;
  const stopping = new AbortController();
  let isLeading = false;
  const leadership = leadershipOver(controlRedisOver(connect(), server, identity), identity, leadMs);
  void runCoordinator(
    {
      ...{ store, leadership, turnMs },
      registry: registryOver(controlRedisOver(connect(), server, identity)),
      producer: producerOver(connect({ failsAtOnce: true }), server),
      writeSweepReport: (_, sweep, input) => store.put(`sweeps/${sweep}/report.html`, JSON.stringify(input)),
      clock: { ...process.clock, now: () => process.clock.now() + skewMs },
      logger: silentLogger(parts.tell),
      onTurn: (state) => {
        isLeading = state !== undefined;
        return Promise.resolve();
      },
      onRequest: () => undefined,
    },
    stopping.signal,
  ).then(async () => {
    await leadership.release();
    process.kill();
  });
  return {
    process,
    identity,
    leads: () => isLeading && process.isAlive(),
    quit: () => {
      stopping.abort();
    },
  };
}

function silentLogger(tell: (text: () => string) => void): Logger {
  const line = (message: string) => {
    tell(() => message);
  };
  const logger: Logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  return logger;
}
