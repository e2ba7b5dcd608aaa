import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock } from '@lvnet/core';
import { createLeadership, createProducer, openRegistry } from '@lvnet/queue';
import { checkServersAt } from '@lvnet/redis';
import { openStore } from '@lvnet/store';
import { createTelemetry, type Logger } from '@lvnet/telemetry';
import { runCoordinator } from './coordinator.js';
import { serveHttp } from './http.js';
import { createRunMetrics } from './run-metrics.js';

export interface CoordinatorOptions {
  redisUrl: string;
  storeUrl: string;
  port: number;
  host: string;
  token: string | undefined;
  logger: Logger;
  onListening?: (port: number) => void;
}

const leaseMs = 3_000;
const turnMs = 250;
/** A coordinator that has not finished a turn for so long is not healthy. */
const quietLimitMs = 30_000;

export async function leadOrStandBy(options: CoordinatorOptions, signal: AbortSignal): Promise<void> {
  await checkServersAt([options.redisUrl]);
  const store = await openStore(options.storeUrl);
  await using registry = await openRegistry(options.redisUrl, 'lvnet-coordinator');
  await using producer = await createProducer(options.redisUrl);
  const identity = `${hostname()}-${String(process.pid)}-${randomBytes(4).toString('hex')}`;
  await using leadership = await createLeadership(options.redisUrl, identity, leaseMs);
  const telemetry = createTelemetry({ process: 'coordinator' });
  const runMetrics = createRunMetrics(telemetry, registry, producer, systemClock.now);
  const turn = { lastMs: systemClock.monotonicMs(), leading: false };
  const http = await serveHttp(
    {
      store,
      registry,
      telemetry,
      token: options.token,
      health: () => ({
        ok: systemClock.monotonicMs() - turn.lastMs < quietLimitMs,
        details: { leading: turn.leading },
      }),
    },
    options.port,
    options.host,
  );
  options.onListening?.(http.port);
  try {
    await runCoordinator(
      {
        store,
        registry,
        producer,
        async writeSweepReport(...sweep) {
          // Half a second, which few coordinators need.
          const { writeSweepReport } = await import('@lvnet/reports');
          return writeSweepReport(...sweep);
        },
        leadership,
        clock: systemClock,
        logger: options.logger,
        turnMs,
        async onTurn(state) {
          turn.lastMs = systemClock.monotonicMs();
          turn.leading = state !== undefined;
          await runMetrics.update(state);
        },
        onRequest: runMetrics.onRequest,
      },
      signal,
    );
  } finally {
    await http.close();
    await store.close();
  }
}
